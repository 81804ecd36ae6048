"""A long way to a service: whatever passes comes later, as much at a time as before.

``python -m bench.relay URL MILLISECONDS`` prints the URL of a relay with that round trip, which a
new connection costs once more, as its handshake does; for each line of standard input it prints
how many connections it has taken; and it ends when that does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from urllib.parse import urlsplit

_PIECE = 2**18


class Relay:
    """The way to a service, both ways as long.

    :param host: where the service is
    :param port: its port
    :param delay: seconds of one way
    :ivar connections: how many were taken
    """

    def __init__(self, host: str, port: int, delay: float) -> None:
        self._host, self._port, self._delay = host, port, delay
        self.connections = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what a connection brings, until both sides have ended."""
        self.connections += 1
        begun = asyncio.get_running_loop().time() + 2 * self._delay
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port, limit=_PIECE)
        await asyncio.gather(
            self._pass(reader, far_writer, begun), self._pass(far_reader, writer, begun)
        )
        for one in (writer, far_writer):
            one.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: float
    ) -> None:
        """Read on while what has come before is on its way."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.create_task(_arrive(under_way, writer))
        now = asyncio.get_running_loop().time
        piece = b"begin"
        while piece:
            piece = b""
            with contextlib.suppress(ConnectionError):
                piece = await reader.read(_PIECE)
            under_way.put_nowait((max(now(), begun) + self._delay, piece))
        await arriving


async def _arrive(
    under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def serve(url: str, seconds: float) -> None:
    """Run the relay until standard input ends."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    relay = Relay(parts.hostname, parts.port, seconds / 2)
    server = await asyncio.start_server(relay.take, "127.0.0.1", 0, backlog=256, limit=_PIECE)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{parts.path}", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(relay.connections, flush=True)
    # What is still under way has nobody to come to.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2]) / 1000))
