"""``python -m tests.cloud``: a real cloud on loopback.

up       make what is missing, start what is not up, wait until all answers (--old-target: start
         the second Glance 15, too)
down     end the processes; the data stays
reset    bring back the freshly seeded state (--fresh: make all anew, on other ports)
status   what is up, where, and as which process
check    compare what the services hold with the table of seeds
env      lines for a shell: eval "$(python -m tests.cloud env)"
destroy  end and delete the cloud (--everything: its environments too)

Each of them takes --database, --store, --front-end and --identity, and is then about the cloud of
that world, which is one of its own beside the default one.
"""

from __future__ import annotations

import argparse
import shlex
import sys

from tests.cloud import services, worlds
from tests.cloud.checking import differences
from tests.cloud.cloud import Cloud
from tests.cloud.configuration import CLOUDS, further_clouds
from tests.cloud.reports import CloudError, say
from tests.cloud.seeds import SEEDS


def status(cloud: Cloud) -> bool:
    """Print what is up; whether all is."""
    pids = cloud.pids()
    print(f"folder  {cloud.places.root}")
    more = further_clouds(cloud.places, cloud.places.ports())
    print(f"clouds  {', '.join([*CLOUDS, *more, 'anonymous'])}, in {cloud.clouds_yaml}")
    whole = True
    for service in cloud.services():
        pid = pids.get(service.name)
        good = pid is not None and services.answers(service)
        whole = whole and (good or (service.on_demand and not pid))
        what = "up" if good else "silent" if pid else "down"
        print(
            f"{service.name:<19} {what:<7} {'pid ' + str(pid) if pid else '':<12} "
            f"{cloud.urls.get(service.name) or f'127.0.0.1:{service.port}':<31} {service.title}"
        )
    return whole


def env(cloud: Cloud) -> None:
    """Print the settings as lines for a shell."""
    print(f"export OS_CLIENT_CONFIG_FILE={shlex.quote(str(cloud.clouds_yaml))}")
    for name, url in cloud.urls.items():
        print(f"export OSC_IMAGE_V1_CLOUD_{name.upper().replace('-', '_')}={url}")


def check(cloud: Cloud) -> int:
    """Print what is not as the table of seeds says."""
    found = list(differences(cloud))
    print(*found, sep="\n") if found else print(f"all {len(SEEDS)} images are as they should be")
    return 1 if found else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cloud",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in ("up", "down", "reset", "status", "check", "env", "destroy"):
        sub = verbs.add_parser(verb)
        sub.add_argument("--database", choices=worlds.DATABASES, default="sqlite")
        sub.add_argument("--store", choices=worlds.STORES, default="file")
        sub.add_argument("--front-end", choices=worlds.FRONT_ENDS, default="none")
        sub.add_argument("--identity", choices=worlds.IDENTITIES, default="v3")
        if verb == "reset":
            sub.add_argument("--fresh", action="store_true", help="make it anew, on other ports")
        if verb == "up":
            sub.add_argument(
                "--old-target", action="store_true", help="start the second Glance 15, too"
            )
        if verb == "destroy":
            sub.add_argument(
                "--everything", action="store_true", help="delete the environments too"
            )
    return parser.parse_args()


def _do(cloud: Cloud, args: argparse.Namespace) -> int:
    if args.verb == "status":
        return 0 if status(cloud) else 1
    if args.verb == "check":
        return check(cloud)
    if args.verb == "env":
        env(cloud)
    elif args.verb == "down":
        say(f"ended: {', '.join(cloud.down()) or 'nothing, it was down'}")
    elif args.verb == "destroy":
        cloud.destroy(args.everything)
        say("it is gone")
    else:
        cloud.reset(args.fresh) if args.verb == "reset" else cloud.up(args.old_target)
        say(f"the cloud is up; its clouds are in {cloud.clouds_yaml}")
    return 0


def main() -> int:
    """Do what the command line says."""
    try:
        args = _parse()
        world = Cloud().world(args.database, args.store, args.front_end, args.identity)
        return _do(world, args)
    except CloudError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next 'up' begins again where it must", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
