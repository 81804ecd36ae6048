#!/bin/bash
# Versions:  openstacksdk 4.8.0
# Behaviour: any setting of a cloud whose name ends with "timeout" becomes the time-out of the one
#            session that all services share, also in the place of an api_timeout that is set.
# One would guess: that object_store_timeout (or a plugin's own setting) counts for its own
#            service, or for none, and that api_timeout comes first.
# Seen:
#   object_store_timeout=7 -> session 7.0
#   object_store_timeout=7 api_timeout=3 -> session 7.0
. "$(dirname "$0")/common.sh"

packages openstacksdk==4.8.0
cat >"$folder/timeouts.py" <<'END'
from openstack import config

loader = config.OpenStackConfig(load_envvars=False, load_yaml_config=False)
for settings in ({"object_store_timeout": "7"}, {"object_store_timeout": "7", "api_timeout": 3}):
    region = loader.get_one(
        auth_type="none", auth={"endpoint": "http://127.0.0.1:1"}, **settings
    )
    given = " ".join(f"{name}={value}" for name, value in settings.items())
    print(given, "-> session", region.get_session().timeout)
END
expect "object_store_timeout=7 -> session 7.0
object_store_timeout=7 api_timeout=3 -> session 7.0" "$("$python" "$folder/timeouts.py")"
