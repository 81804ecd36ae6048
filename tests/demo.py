"""A walk through the commands, on a real cloud.

``python -m tests.demo`` brings up the cloud of :mod:`tests.cloud`, and runs the commands below in
front of it; ``python -m tests.demo image v1 show cirros`` runs one command instead. The cloud stays
up, so the next run is quick.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cloud import Cloud, CloudError

#: Lines for a shell, in order.
WALK = (
    "openstack image v1 list",
    "openstack image v1 list --all -c ID -c Name -c Size",
    "openstack image v1 list --all --long -c Name -c Status -c Visibility -c Size"
    " --human-readable --sort size:desc --limit 10",
    "openstack image v1 list --property os_distro=debian --long -c Name -c Size -c Properties",
    "openstack image v1 list --all --deleted -c ID -c Name",
    "openstack image v1 show ubuntu",
    "openstack compute image list --type snapshot",
    "openstack image v1 list --all --long -f value -c Status | sort | uniq -c",
    "openstack image v1 list --all --min-size 1MiB -f json -c Name -c Size",
)

_AFTERWARDS = """\
The cloud stays up. Another command: tox -e demo -- image v1 show cirros
As another user: tox -e demo -- --os-cloud demo image v1 list
Its end: tox -e cloud -- down"""


def environment(cloud: Cloud) -> dict[str, str]:
    """Return an environment in which ``openstack`` is this Python's, and talks to the cloud.

    :param cloud: the cloud, up
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    scripts = Path(sys.executable).parent
    return {
        # A terminal has its own width; this one is for a file or a pipe.
        **({} if sys.stdout.isatty() else {"CLIFF_MAX_TERM_WIDTH": "170"}),
        **kept,
        "OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml),
        "OS_CLOUD": "admin",
        "PATH": os.pathsep.join([str(scripts), kept.get("PATH", os.defpath)]),
    }


def run(line: str, env: Mapping[str, str]) -> int:
    """Run a line in a shell, below the line itself, and return its exit status.

    :param line: what a person would type
    :param env: the environment
    """
    print(f"$ {line}", flush=True)
    return subprocess.run(line, shell=True, env=env, check=False).returncode


def main(argv: Sequence[str]) -> int:
    """Run one command, or all of the walk; return the first exit status that is not 0."""
    cloud = Cloud()
    try:
        cloud.up()
    except CloudError as error:
        print(f"The demo needs a real cloud, and it cannot run: {error}", file=sys.stderr)
        return 1
    env = environment(cloud)
    if argv:
        return run(shlex.join(["openstack", *argv]), env)
    statuses = []
    for line in WALK:
        statuses.append(run(line, env))
        print(flush=True)
    print(_AFTERWARDS)
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
