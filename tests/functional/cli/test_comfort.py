"""Daily comfort: completion in bash, mistyped commands, a first list, many commands in a shell."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import wcwidth

from tests.unit.cli.test_tables import command_on_a_terminal
from tests.unit.test_docs import COMMANDS, actions_of

#: What bash-completion brings along, and a function that completes the words it is given.
BASH = """
_get_comp_words_by_ref() {
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD-1]}
    words=("${COMP_WORDS[@]}")
}
completed() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _openstack openstack
    printf '%s\\n' "${COMPREPLY[*]}"
}
. "$1"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``openstack complete`` prints."""
    path = tmp_path_factory.mktemp("completion") / "openstack.bash"
    command = [sys.executable, "-m", "openstackclient.shell", "complete", "--name", "openstack"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, stdin=subprocess.DEVNULL)
    path.write_bytes(done.stdout)
    return path


@pytest.fixture(scope="module")
def complete(script: Path) -> Callable[[list[list[str]]], list[list[str]]]:
    """Complete some lines in one bash: the words of each, the last one unfinished."""

    def run(lines: list[list[str]]) -> list[list[str]]:
        calls = "\n".join("completed " + " ".join(f"'{word}'" for word in line) for line in lines)
        command = ["bash", "--norc", "-c", BASH + calls, "bash", str(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert not done.stderr
        return [line.split() for line in done.stdout.splitlines()]

    return run


def test_every_command_is_completed(complete: Callable[..., list[list[str]]]) -> None:
    beginnings: dict[tuple[str, ...], set[str]] = {}
    for name in COMMANDS:
        words = name.split()
        for place in range(1, len(words)):
            beginnings.setdefault(("openstack", *words[:place]), set()).add(words[place])
    found = complete([[*words, ""] for words in beginnings])
    for (words, wanted), offered in zip(beginnings.items(), found, strict=True):
        assert wanted <= set(offered), words
    # openstackclient has `image` and `compute` of its own.
    assert (
        set(found[list(beginnings).index(("openstack", "image", "v1"))])
        == beginnings[("openstack", "image", "v1")]
    )


def test_a_beginning_is_completed(complete: Callable[..., list[list[str]]]) -> None:
    lines = [
        "image v1 l",
        "image v1 member s",
        "compute image u",
        "image v1 list --page",
        "image v",
    ]
    found = complete([["openstack", *line.split()] for line in lines])
    assert found == [["list"], ["set"], ["unset"], ["--page-size"], ["v1"]]


def test_every_option_is_completed(complete: Callable[..., list[list[str]]]) -> None:
    found = complete([["openstack", *name.split(), "--"] for name in COMMANDS])
    for name, offered in zip(COMMANDS, found, strict=True):
        options = {option for action in actions_of(name) for option in action.option_strings}
        assert {option for option in options if option.startswith("--")} <= set(offered), name


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("image v1 lst", "image v1 list"),
        ("image v1 download", "image v1 save"),
        ("image v1 update", "image v1 set"),
        ("compute image lsit", "compute image list"),
        ("image v1", "image v1 list"),
    ],
)
def test_a_wrong_command_is_answered_with_the_right_ones(
    openstack: Callable[..., Any], wrong: str, right: str
) -> None:
    result = openstack(*wrong.split())
    assert result.status == 2
    said = result.out + result.err
    assert re.search(rf"'{wrong}' is not an openstack command", said)
    assert re.search(rf"^  {right}$", said, re.MULTILINE)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("command", "left_out", "titles"),
    [
        (
            ("image", "v1", "list"),
            "Checksum, Container Format, Disk Format",
            ["ID", "Name", "Size", "Status"],
        ),
        (("compute", "image", "list"), "Server", ["ID", "Name", "Status"]),
        (
            ("image", "v1", "member", "list", "demo-shared"),
            "Image ID",
            ["Project", "Can Share", "Project Name"],
        ),
    ],
)
def test_the_first_list_fits_80_columns(
    openstack: Callable[..., Any], command: tuple[str, ...], left_out: str, titles: list[str]
) -> None:
    shell = [sys.executable, "-m", "openstackclient.shell", "--os-cloud", "admin", *command]
    *table, told = command_on_a_terminal(80, shell)
    assert told.startswith(f"No room for {left_out}: -c shows columns")
    assert max(map(wcwidth.wcswidth, table)) <= 80
    assert [title.strip() for title in table[1].strip("|").split("|")] == titles
    listed = openstack(*command, "-f", "json").json
    # One line for each, and all IDs whole.
    assert len(table) == len(listed) + 4
    for line, image in zip(table[3:-1], listed, strict=True):
        assert line.split()[1] == next(iter(image.values()))
    assert set(titles) | set(left_out.split(", ")) == set(listed[0])


def test_many_commands_in_one_shell(
    run_openstack: Callable[..., Any], count: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the documentation says of status, quotes, comments and the rest."""
    lines = [
        "image v1 show ubuntu -f value -c name",
        "",
        "# image v1 show large",
        "image v1 show no-such",
        "image v1 show $HOME -f value -c name",
        "image v1 list --limit many",
        "image v1 list --name '\"no such\"' -f csv -c Name",
        "image v1 list --name 'no such' -f csv -c Name",
        "image v1 show cirros -f value -c name ; image v1 show large -f value -c name",
        "quit",
        "image v1 show large -f value -c name",
    ]
    monkeypatch.setenv("OS_CLOUD", "admin")
    with count("identity") as requests:
        done = run_openstack(input="\n".join(lines).encode(), cloud=None)
    assert [line for line in done.stdout.decode().splitlines() if line] == [
        "ubuntu",
        '"Name"',
        "cirros",
    ]
    said = [line for line in done.stderr.decode().splitlines() if line and line[:5] != "usage"]
    assert [line for line in said if not line.startswith(" ")] == [
        "No image has the name or ID 'no-such'",
        "No image has the name or ID '$HOME'",
        "image v1 list: error: argument --limit/--max-items: 'many' is no whole number, 0 or more",
        "image v1 list: error: unrecognized arguments: such",
    ]
    status = 0 if metadata.version("cliff").startswith("4.0.") else 1
    assert done.returncode == status
    asked = [one for one in requests if one.method == "POST" and "openstack" in str(one.user_agent)]
    assert len(asked) == 1, requests
    # Whether all is well or not; and options are taken for commands.
    line = b"image v1 list --limit 0\n"
    assert run_openstack(input=line, cloud=None).returncode == status
    assert b"'--os-cloud' is not" in run_openstack(input=line).stdout
