#!/bin/bash
# Versions:  nova 34.0.0
# Behaviour: the image proxy hands property filters to the image service without the letters of
#            "property-" at the beginning of their names, however many: it strips a set of
#            characters, not a prefix. os_distro is asked for as s_distro, and nothing is found.
# One would guess: that property-os_distro=debian finds the images that have it.
# Seen:
#   property-os_distro -> s_distro
#   property-type -> 
#   property-image_type -> image_type
. "$(dirname "$0")/common.sh"

packages nova==34.0.0
cat >"$folder/names.py" <<'END'
import sys
import warnings

warnings.simplefilter("ignore")
sys.argv = ["nova"]
from nova.image import glance

for name in ("property-os_distro", "property-type", "property-image_type"):
    sent = glance._extract_query_params_v2({"filters": {name: "x"}})["filters"]
    (became,) = [key for key, value in sent.items() if value == "x"]
    print(name, "->", became)
END
expect "property-os_distro -> s_distro
property-type -> 
property-image_type -> image_type" "$("$python" "$folder/names.py" 2>/dev/null)"
