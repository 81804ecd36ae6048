"""What a newcomer does on the first day, and what is to be seen.

First the page for getting started, which is to print in every release what it shows; then the lines
below, in one shell and an empty folder.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import examples
from tests.walk.clients import ROOT

PAGE = ROOT / "doc" / "source" / "getting-started.rst"


@dataclass(frozen=True)
class Step:
    """A line for a shell; patterns that what it prints has, in this order; its exit status."""

    line: str
    prints: tuple[str, ...] = ()
    status: int = 0


#: What completes a line, with what bash-completion would bring along.
_COMPLETE = (
    "_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]};"
    ' prev=${COMP_WORDS[COMP_CWORD-1]}; words=("${COMP_WORDS[@]}"); };'
    " . <(openstack complete 2>/dev/null);"
    " COMP_WORDS=(openstack image v1 ex); COMP_CWORD=3; _openstack openstack;"
    ' echo "${COMPREPLY[@]}"'
)

#: Each client has an image of its own, NAME, whose ID is UUID.
STEPS = (
    Step("openstack help image v1 create", ("--stdin", "osc-image-v1 plugin")),
    Step(_COMPLETE, ("^export$",)),
    Step("openstack image v1 lst", ("is not an openstack command", "^  image v1 list$"), 2),
    Step("head -c 300000 /dev/zero > disk.raw"),
    Step(
        "openstack image v1 create --id UUID --file disk.raw --disk-format raw"
        " --container-format bare --property os_distro=debian NAME -f json",
        ('"checksum": "4a21de7a58fb8ecb9a1b1f08a3068269"', '"status": "active"'),
    ),
    Step("openstack image v1 set NAME --property os_version=12 --min-ram 256"),
    Step(
        "openstack image v1 show NAME -f json -c min_ram -c properties",
        ('"min_ram": 256', '"os_distro": "debian"', '"os_version": "12"'),
    ),
    Step("openstack image v1 add project NAME demo --can-share"),
    Step("openstack image v1 member list NAME -f csv", ('^"[0-9a-f]{32}",(True|"True"),"demo",',)),
    Step("openstack --os-cloud demo image v1 list -f value -c Name", ("^NAME$",)),
    Step("openstack image v1 save NAME --file saved.raw && cmp saved.raw disk.raw"),
    Step("openstack image v1 export archive NAME -f value -c fetched -c failed", ("^1$", "^0$")),
    Step("openstack image v1 verify archive", (r"Whole files: 1 \(293.0 KiB\)",)),
    Step("echo more >> archive/*.img; openstack image v1 verify archive", ("altered",), 3),
    Step(
        "openstack image v1 copy --to-cloud target NAME -f value -c ID -c Action",
        ("^UUID copied$", r"^Images: 1 \(1 copied\)$"),
    ),
    Step("openstack image v1 compare --with cloud:target --members NAME", ("No differences",)),
    Step("openstack compute image list --name NAME -f csv -c ID -c Status", ('"UUID","ACTIVE"',)),
    Step("openstack image v1 delete NAME"),
    Step("openstack image v1 show NAME", ("^No image has the name or ID 'NAME'$",), 1),
)


def on_the_page(env: Mapping[str, str]) -> Iterator[str]:
    """Run what the page shows, which changes nothing, and yield what it does not say.

    :param env: an environment in which ``openstack`` is the client
    """
    for block, lines in examples.run_page(PAGE.read_text(), env):
        told, found = examples.comparable(block.lines), examples.comparable(lines)
        yield from (f"{PAGE.name} does not have: {line}" for line in found if line not in told)
        yield from (f"not printed, {PAGE.name} has: {line}" for line in told if line not in found)


def after_it(client: str, env: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Run the lines about an image of one's own, and yield what is not as it should be.

    :param client: the client's name
    :param env: an environment in which ``openstack`` is the client
    :param folder: an empty folder
    """
    steps = [_about(step, f"newcomer-{client}") for step in STEPS]
    lines = [f"{{ {step.line}\n}}; echo exit status $?" for step in steps]
    for step, printed in zip(steps, examples.run_commands(lines, env, str(folder)), strict=True):
        yield from (f"$ {step.line}\n{printed}  {what}" for what in _wrong(step, printed))


def _about(step: Step, name: str) -> Step:
    image_id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))

    def filled(text: str) -> str:
        return text.replace("NAME", name).replace("UUID", image_id)

    return Step(filled(step.line), tuple(map(filled, step.prints)), step.status)


def _wrong(step: Step, printed: str) -> Iterator[str]:
    if not printed.endswith(f"exit status {step.status}\n"):
        yield f"should have exit status {step.status}"
    place = 0
    for pattern in step.prints:
        found = re.compile(pattern, re.MULTILINE).search(printed, place)
        if found is None:
            yield f"should print: {pattern}"
        else:
            place = found.end()
