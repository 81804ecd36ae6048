#!/bin/bash
# Versions:  keystoneauth1 5.13.0, Keystone 30.0.0
# Behaviour: a session that was given a token (v3token), which has run out, asks Keystone for
#            another one, and raises keystoneauth1's NotFound with status 404: Keystone answers the
#            exchange of a token that it does not know any more with 404, "Failed to validate token".
#            Whoever takes a 404 for "there is no such image" says so of images that are there.
# One would guess: Unauthorized, status 401, as for a wrong password.
# Seen:
#   wrong password: Unauthorized 401
#   expired token: NotFound 404
. "$(dirname "$0")/common.sh"

packages keystone==30.0.0 keystoneauth1==5.13.0
mkdir "$folder/fernet" "$folder/credential"
cat >"$folder/keystone.conf" <<END
[database]
connection = sqlite:///$folder/keystone.db
[token]
expiration = 1
[fernet_tokens]
key_repository = $folder/fernet
[credential]
key_repository = $folder/credential
END
manage() { "$folder/env/bin/keystone-manage" --config-file "$folder/keystone.conf" "$@" >>"$folder/log" 2>&1; }
manage db_sync
# Keystone refuses to make keys as root without being told whose they are to be.
whose=(--keystone-user "$(id -un)" --keystone-group "$(id -gn)")
manage fernet_setup "${whose[@]}"
manage credential_setup "${whose[@]}"
manage bootstrap --bootstrap-password secret

cat >"$folder/tokens.py" <<'END'
import logging
import os
import sys
import threading
import time
import warnings
from wsgiref.simple_server import WSGIRequestHandler, make_server

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
os.environ["OS_KEYSTONE_CONFIG_DIR"] = sys.argv[1]
sys.argv = ["keystone"]
from keystone.wsgi.api import application

from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3


class Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments):
        pass


server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v3"


def password(word):
    domain = {"user_domain_id": "default", "project_domain_id": "default"}
    return v3.Password(url, username="admin", password=word, project_name="admin", **domain)


def what_comes(label, auth):
    try:
        session.Session(auth=auth).get_token()
    except exceptions.HttpError as error:
        print(f"{label}: {type(error).__name__} {error.http_status}")


token = session.Session(auth=password("secret")).get_token()
time.sleep(2.5)
what_comes("wrong password", password("wrong"))
what_comes("expired token", v3.Token(url, token, project_name="admin", project_domain_id="default"))
END
expect "wrong password: Unauthorized 401
expired token: NotFound 404" "$("$python" "$folder/tokens.py" "$folder" 2>>"$folder/log" || tail -5 "$folder/log")"
