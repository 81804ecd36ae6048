"""What the other tests rely on of the cloud itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from tests.cloud import Cloud


def test_the_target_takes_bodies_of_any_size(cloud: Cloud, session: Callable[[str], Any]) -> None:
    """What is in front of it says so when it has seen the headers; no terabyte is sent."""
    head = (
        "PUT /v2/images/none/file HTTP/1.1",
        "Host: 127.0.0.1",
        f"X-Auth-Token: {session('admin').get_token()}",
        "Content-Type: application/octet-stream",
        f"Content-Length: {2**40}",
        "Expect: 100-continue",
    )
    where = ("127.0.0.1", cloud.places.ports()["target-image"])
    with socket.create_connection(where, timeout=60) as connection:
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
