"""Uploads over real sockets that break in the middle."""

import contextlib
import io
import json
import re
import socket
import socketserver
import struct
import threading

import pytest
import urllib3

from osc_image_v1.api import ImageClient, ImageFields
from osc_image_v1.exceptions import ConnectionFailed, ImageV1Error, TooLarge
from osc_image_v1.transfer.sending import Sending, StreamSource
from osc_image_v1.transfer.upload import create_image
from tests.unit.conftest import adapter_at

FIELDS = ImageFields(name="a", disk_format="raw", container_format="bare")
# More than the system's buffers hold.
SIZE = 30_000_000


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = self.request.recv(65536)
                if not piece:
                    return
                head += piece
            getattr(self, "do_" + head.split()[0].decode().lower())(head)

    def answer(self, status, body=b"", headers=""):
        lines = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        self.request.sendall((lines + headers + "\r\n").encode() + body)

    def do_post(self, head):
        found = re.search(rb"x-image-meta-id: (\S+)", head, re.IGNORECASE)
        assert found is not None
        self.server.image = found[1].decode()
        self.answer(201, json.dumps({"image": {"id": self.server.image}}).encode())

    def do_head(self, _head):
        image, status = self.server.image, self.server.left
        self.answer(200, b"", f"X-Image-Meta-Id: {image}\r\nX-Image-Meta-Status: {status}\r\n")

    def do_delete(self, _head):
        self.server.deleted = self.server.image
        self.answer(200, headers="X-Openstack-Request-Id: req-1\r\n")

    def do_put(self, _head):
        self.request.recv(65536)
        self.server.how(self)


def early_refusal(handler):
    handler.answer(413, b"quota is used up")


def reset(handler):
    handler.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(_handler):
    pass


def stall(handler):
    handler.server.over.wait(30)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def server():
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.over = threading.Event()
        server.left, server.deleted = "saving", None
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize(
    ("how", "cause", "said"),
    [
        pytest.param(
            early_refusal,
            TooLarge,
            "quota is used up",
            marks=pytest.mark.skipif(
                urllib3.__version__ < "2", reason="urllib3 1 reads no answer where it cannot send"
            ),
        ),
        (reset, ConnectionFailed, "no answer"),
        (close, ConnectionFailed, "no answer"),
        (stall, ConnectionFailed, "it took too long"),
    ],
)
@pytest.mark.parametrize("clean_up", [False, True])
def test_what_is_left_is_named_or_removed(server, how, cause, said, size, clean_up):
    server.how = how
    client = ImageClient(adapter_at(f"http://127.0.0.1:{server.server_address[1]}"), timeout=0.5)
    data = Sending(StreamSource(io.BytesIO(bytes(SIZE)), size))
    with pytest.raises(ImageV1Error, match=said) as failure:
        create_image(client, FIELDS, data=data, clean_up=clean_up)
    assert isinstance(failure.value.__cause__, cause)
    assert data.sent < SIZE
    if clean_up:
        assert f"image {server.image}, is removed" in str(failure.value)
        assert server.deleted == server.image
    else:
        assert f"image {server.image} is left, saving" in str(failure.value)
        assert server.deleted is None
