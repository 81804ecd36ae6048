#!/bin/bash
# Versions:  eventlet 0.35.2 and 0.40.3
# Behaviour: the WSGI server of the newer one leaves out request headers whose names hold an
#            underscore, without an error, a status or a line in its log. Services of the time that
#            carried metadata in headers (x-image-meta-disk_format) lose it when they are moved on.
# One would guess: that the header arrives, or that the request is refused.
# Seen:
#   0.35.2: HTTP_X_IMAGE_META_DISK_FORMAT HTTP_X_IMAGE_META_NAME
#   0.40.3: HTTP_X_IMAGE_META_NAME
. "$(dirname "$0")/common.sh"

cat >"$folder/serve.py" <<'END'
import warnings

warnings.simplefilter("ignore")
import eventlet
from eventlet import wsgi
from eventlet.green import socket


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(sorted(name for name in environ if name.startswith("HTTP_X_"))).encode()]


listener = eventlet.listen(("127.0.0.1", 0))
eventlet.spawn(wsgi.server, listener, application, log_output=False)
client = socket.create_connection(listener.getsockname())
client.sendall(
    b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n"
    b"X-Image-Meta-disk_format: raw\r\nX-Image-Meta-Name: cirros\r\n\r\n"
)
answer = b""
while piece := client.recv(4096):
    answer += piece
print(answer.partition(b"\r\n\r\n")[2].decode())
END

seen=
for version in 0.35.2 0.40.3; do
    packages "eventlet==$version"
    seen+="$version: $("$python" "$folder/serve.py" 2>/dev/null)"$'\n'
done
expect "0.35.2: HTTP_X_IMAGE_META_DISK_FORMAT HTTP_X_IMAGE_META_NAME
0.40.3: HTTP_X_IMAGE_META_NAME" "${seen%$'\n'}"
