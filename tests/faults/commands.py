"""Each command once, as it is run in front of a service that does evil."""

from __future__ import annotations

from tests.faults.server import IMAGE_ID

_FORMATS = "--disk-format raw --container-format bare"
_LINES = f"""
compute image delete {IMAGE_ID}
compute image list
compute image set --property p=v {IMAGE_ID}
compute image show {IMAGE_ID}
compute image unset --property p {IMAGE_ID}
image v1 add project {IMAGE_ID} {"9" * 32}
image v1 compare --with compute
image v1 copy --to-cloud there
image v1 create --file <directory>/source {_FORMATS} new
image v1 delete {IMAGE_ID}
image v1 export <directory>/new
image v1 import <directory>/export
image v1 list --long
image v1 member list {IMAGE_ID}
image v1 member set {IMAGE_ID} {"9" * 32}
image v1 remove project {IMAGE_ID} {"9" * 32}
image v1 save --file <directory>/x {IMAGE_ID}
image v1 set --name other {IMAGE_ID}
image v1 show {IMAGE_ID}
image v1 unset --property p {IMAGE_ID}
image v1 usage
image v1 verify --repair <directory>/export
"""
COMMANDS = [line.split() for line in _LINES.strip().splitlines()]
