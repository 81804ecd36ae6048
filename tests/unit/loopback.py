"""A server on loopback that answers with bytes, for what requests-mock cannot show."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

# How a client begins that speaks TLS: it waits for an answer.
_TLS = b"\x16\x03"


@contextlib.contextmanager
def answering(*answers: bytes, port: int = 0) -> Iterator[str]:
    """Yield the URL of a server that gives one answer a connection, the last one ever after."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, list(answers)), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _serve(listener: socket.socket, answers: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _address = listener.accept()
            with connection:
                received = b""
                while b"\r\n\r\n" not in received and not received.startswith(_TLS):
                    if not (piece := connection.recv(65536)):
                        break
                    received += piece
                connection.sendall(answers.pop(0) if len(answers) > 1 else answers[0])


def http(status: str, *headers: str, body: bytes = b"") -> bytes:
    """Return an HTTP answer as bytes."""
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
