"""The options of OpenStackClient's own image commands, and what becomes of them here."""

from __future__ import annotations

import argparse
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from osc_image_v1.exceptions import InvalidInput
from tests.unit.test_docs import COMMANDS, DOC, OF_CLIFF, actions_of, parser_of

POINTS = metadata.entry_points(group="openstack.image.v2")
THEIRS = {point.name.replace("_", " "): point for point in POINTS}
#: The release that the table is held against: older ones have fewer options.
RELEASE = tuple(map(int, metadata.version("python-openstackclient").split(".")[:2]))


def table() -> dict[tuple[str, str], str]:
    """The documentation's table: command, option (or nothing) -> what is said of it."""
    text = (DOC / "moving.rst").read_text().split("\nFrom ``openstack image``\n", 1)[1]
    told: dict[tuple[str, str], str] = {}
    for line in re.findall("^``.*", text.split("\nFrom ", 1)[0], re.MULTILINE):
        command = ""
        for literal in re.findall("``(.*?)``", line[:48]):
            words = literal.split()
            option = words.pop() if words[-1].startswith("--") else ""
            command = " ".join(words) or command
            told[command, option] = line[48:].strip()
    return told


TOLD = table()
GROUPS = [command.removesuffix(" ...") for command, option in TOLD if not option]


def is_other(name: str) -> bool:
    """Whether the table has the whole command; image v1 import is not what image import is."""
    return any(f"{name} ".startswith(f"{group} ") for group in GROUPS)


def options_of(name: str) -> set[str]:
    command: Any = THEIRS[name].load()
    parser: argparse.ArgumentParser = command(None, None).get_parser(f"openstack {name}")
    named = {option for action in parser._actions for option in action.option_strings}
    return {option for option in named if option.startswith("--")} - OF_CLIFF - {"--help"}


def ours(name: str) -> str:
    return name.replace("image", "image v1", 1)


def refused(name: str) -> set[str]:
    return {
        option
        for action in actions_of(name)
        for option in action.option_strings
        if type(action).__name__ == "_Refused"
    }


@pytest.mark.parametrize("name", THEIRS)
def test_each_command_is_here_or_in_the_table(name: str) -> None:
    assert ours(name) in COMMANDS or is_other(name)


@pytest.mark.parametrize("name", [name for name in THEIRS if not is_other(name)])
def test_each_option_is_here_or_in_the_table(name: str) -> None:
    mine = {option for action in actions_of(ours(name)) for option in action.option_strings}
    no = {option for command, option in TOLD if command == name and option}
    theirs = options_of(name)
    assert theirs - mine == set()
    assert theirs & refused(ours(name)) <= no
    assert no <= refused(ours(name)), "the table says that what is there is not there"
    if RELEASE >= (10, 5):
        assert no <= theirs


@pytest.mark.parametrize(
    ("name", "option"),
    [(name, option) for name in COMMANDS for option in sorted(refused(name))],
)
def test_what_v1_cannot_have_is_answered_in_a_line(
    name: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in ([option], [option, "x"], ["a", option]):
        with pytest.raises(SystemExit) as stop:
            parser_of(name).parse_args(argv)
        assert stop.value.code == 2
        out, err = capsys.readouterr()
        assert re.fullmatch(rf"{option}: [a-z'].*\n", err), err
        assert not out
    assert f"{option} " not in parser_of(name).format_help()


@pytest.mark.parametrize(
    ("command", "argv", "said"),
    [
        ("create", ("--file", "-", "x"), "For standard input use --stdin"),
        ("set", ("--file", "-", "x"), "For standard input use --stdin"),
        ("save", ("--file", "-", "x"), "For standard output leave out --file"),
    ],
)
def test_a_file_called_minus(
    shell: Any, requests_mock: Any, command: str, argv: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InvalidInput, match=f"{said}: '-' is the name of no file here"):
        shell.run(COMMANDS[f"image v1 {command}"].load(), *argv)
    assert requests_mock.call_count == 0


def test_the_table_is_of_the_release_that_the_readme_names() -> None:
    readme = (Path(DOC).parents[1] / "README.rst").read_text()
    assert "python-openstackclient 10.5" in (DOC / "moving.rst").read_text()
    assert "10.5" in readme
