#!/bin/bash
# Versions:  WebOb 1.6.3 and 1.8.8
# Behaviour: from 1.7 on a request with Transfer-Encoding: chunked and no Content-Length has no
#            readable body, unless the server sets wsgi.input_terminated, a key that came after the
#            WSGI standard. Services that pinned no upper version took uploads of unknown length,
#            answered 201, and stored nothing.
# One would guess: that the body is read to its end, as before, or that the request is refused.
# Seen:
#   1.6.3: readable True
#   1.8.8: readable False
#   1.8.8, wsgi.input_terminated: readable True
. "$(dirname "$0")/common.sh"

cat >"$folder/body.py" <<'END'
import collections
import collections.abc
import sys
from io import BytesIO

# The older one was written for the Pythons of its time.
for name in collections.abc.__all__:
    setattr(collections, name, getattr(collections.abc, name))
import webob

environ = webob.Request.blank("/v1/images", method="POST").environ
environ.pop("CONTENT_LENGTH", None)
environ["HTTP_TRANSFER_ENCODING"] = "chunked"
environ["wsgi.input"] = BytesIO(b"data")
if sys.argv[1:]:
    environ[sys.argv[1]] = True
print("readable", bool(webob.Request(environ).is_body_readable))
END

packages WebOb==1.6.3
seen="1.6.3: $("$python" -W ignore "$folder/body.py")"
packages WebOb==1.8.8
seen+=$'\n'"1.8.8: $("$python" "$folder/body.py")"
seen+=$'\n'"1.8.8, wsgi.input_terminated: $("$python" "$folder/body.py" wsgi.input_terminated)"
expect "1.6.3: readable True
1.8.8: readable False
1.8.8, wsgi.input_terminated: readable True" "$seen"
