"""The documentation says what the code does: commands, options, columns, settings, messages."""

from __future__ import annotations

import argparse
import configparser
import fnmatch
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from osc_image_v1 import plugin
from osc_image_v1.api.models import ComputeImage, ImageDetail
from osc_image_v1.cli import columns
from tests import demo, examples
from tests.walk import clients

ROOT = Path(__file__).resolve().parents[2]
DOC = ROOT / "doc" / "source"
REFERENCE = DOC / "reference"
NARRATIVE = [path for path in examples.PAGES if path != REFERENCE / "commands.rst"]


POINTS = metadata.entry_points(group="openstack.image_v1.v1")
COMMANDS = {point.name.replace("_", " "): point for point in POINTS}


#: The options of cliff's formatters.
OF_CLIFF = set(
    "--format --column --quote --noindent --variable --prefix --max-width --fit-width "
    "--print-empty --sort-column --sort-ascending --sort-descending".split()
)


def parser_of(name: str) -> argparse.ArgumentParser:
    command: Any = COMMANDS[name].load()
    parser: argparse.ArgumentParser = command(None, None).get_parser(f"openstack {name}")
    return parser


def actions_of(name: str) -> list[argparse.Action]:
    return [action for action in parser_of(name)._actions if action.dest != "help"]


def own_actions_of(name: str) -> list[argparse.Action]:
    """Return the command's options without those that cliff gives to all, and the hidden ones."""
    shown = [action for action in actions_of(name) if action.help != argparse.SUPPRESS]
    return [action for action in shown if not set(action.option_strings) & OF_CLIFF]


def ignored() -> list[str]:
    found: dict[str, Any] = {}
    exec((DOC / "conf.py").read_text(), found)
    options: list[str] = found["autoprogram_cliff_ignored"]
    return options


def test_there_are_commands() -> None:
    assert {"image v1 list", "image v1 show", "compute image list"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_describes_itself_and_its_options(name: str) -> None:
    command = COMMANDS[name].load()
    description = str(command._description)
    assert description
    assert description[0].isupper()
    for action in own_actions_of(name):
        label = "/".join(action.option_strings) or action.dest
        assert action.help, f"{name}: {label} has no help"
        assert action.help[0].isupper(), f"{name}: {label}: {action.help}"
        if action.nargs != 0:
            assert re.fullmatch(r"<.*>.*", str(action.metavar)), f"{name}: {label} has no metavar"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_in_the_reference_with_its_options(name: str) -> None:
    text = (REFERENCE / "commands.rst").read_text()
    patterns = re.findall(r"autoprogram-cliff:: openstack\.image_v1\.v1\n +:command: (.*)", text)
    assert [pattern for pattern in patterns if fnmatch.fnmatch(name, pattern)], name
    own = {option for action in own_actions_of(name) for option in action.option_strings}
    assert not own & set(ignored())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_told_of_outside_the_reference(name: str) -> None:
    words = re.escape(name).replace(r"\ ", r"\s+")
    assert [page for page in NARRATIVE if re.search(words, page.read_text())], name


def test_the_options_of_the_plugin_are_told_of() -> None:
    parser = plugin.build_option_parser(argparse.ArgumentParser(add_help=False))
    readme, settings = (ROOT / "README.rst").read_text(), (REFERENCE / "settings.rst").read_text()
    for action in parser._actions:
        (option,) = action.option_strings
        variable = option.lstrip("-").replace("-", "_")
        for word in (option, variable.upper(), variable.removeprefix("os_")):
            assert f"``{word}``" in settings
            assert f"``{word}``" in readme or f"{word}:" in readme, word
        assert f"Env: {variable.upper()}" in str(action.help)


def helped_lines(name: str) -> list[str]:
    """The lines of the examples at the end of a command's help, as a terminal shows them."""
    text = parser_of(name).format_help()
    return text.split("\nExamples:\n\n", 1)[1].split("\n\n", 1)[0].splitlines()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_in_examples_of_the_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = helped_lines(name)
    assert all(line.startswith("    ") and len(line) < 80 for line in lines)
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    for line in joined:
        assert re.search(rf"\bopenstack (--os-cloud new )?{name} ", line), line


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Every use of one of the commands in an example: where, and its words."""
    lines = [("tests/demo.py", line) for line in demo.WALK]
    for page in examples.PAGES:
        text = page.read_text()
        lines += [(page.name, line) for block in examples.blocks(text) for line in block.commands()]
        for block in re.findall(r"code-block:: shell\n\n((?:   .*\n|\n)+)", text):
            joined = re.sub(r"\|\n", "| ", block.replace("\\\n", " "))
            joined = joined.replace("$id", "11111111-2222-4333-8444-555555555555")
            mine = [line.strip() for line in joined.splitlines() if "openstack " in line]
            lines += [(page.name, line) for line in mine]
    for name in COMMANDS:
        text = "\n".join(helped_lines(name)).replace("\\\n", " ")
        lines += [(f"help {name}", line) for line in text.splitlines()]
    for page, line in lines:
        lexer = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars="|;&<>()")
        lexer.whitespace_split = True
        lexer.commenters = ""
        words: list[str] = []
        for word in [*lexer, ";"]:
            if re.fullmatch(r"[|;&<>()]+", word):
                if words[:1] == ["openstack"]:
                    yield page, words
                words = []
            else:
                words.append(word)


def test_every_example_is_a_line_that_its_command_takes() -> None:
    known = sorted(COMMANDS, key=len, reverse=True)
    seen = set()
    for page, words in command_lines():
        rest = list(words[1:])
        while rest[:1] == ["--os-cloud"]:
            rest = rest[2:]
        text = " ".join(rest)
        name = next((name for name in known if f"{text} ".startswith(f"{name} ")), None)
        if name is None:
            assert "v1" not in rest[:2], f"{page}: {words}"
            continue
        if "many" in rest:
            continue  # what a wrong value does
        seen.add(name)
        try:
            parser_of(name).parse_args(rest[len(name.split()) :])
        except SystemExit:
            pytest.fail(f"{page}: {' '.join(words)}")
    assert seen == set(COMMANDS)


#: Options of the shell itself, and of what starts many of it.
OF_OTHERS = set(
    "--os-cloud --os-cacert --os-cert --os-key --os-token --os-region-name --os-interface "
    "--os-compute-api-version --os-image-api-version --os-auth-type --os-project-name "
    "--os-system-scope --debug --log-file --array --sshlogin --all-projects "
    "--preserve-status --retries --ssh --open-mode --time".split()
)


@pytest.mark.parametrize("page", NARRATIVE, ids=lambda page: page.stem)
def test_every_option_in_a_page_exists(page: Path) -> None:
    if page.stem == "moving":
        return  # of older clients, mostly
    parser = plugin.build_option_parser(argparse.ArgumentParser(add_help=False))
    ours = {
        option for name in COMMANDS for act in actions_of(name) for option in act.option_strings
    }
    ours |= {option for action in parser._actions for option in action.option_strings}
    literals = re.findall(r"``([^`]+)``", page.read_text())
    literals = [text for text in literals if re.match(r"-|openstack|image|compute|\w+$", text)]
    named = {
        option for text in literals for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text)
    }
    assert named <= ours | OF_CLIFF | OF_OTHERS


def table_of(title: str) -> list[str]:
    """The columns that reference/output names below a title."""
    text = (REFERENCE / "output.rst").read_text()
    part = text.split(f"\n{title}\n==", 1)[1]
    rows = part.split("\n=====", 3)[2]
    return [line[:21].strip() for line in rows.splitlines()[1:] if line[:1].strip()]


@pytest.mark.parametrize(
    ("title", "table"),
    [
        ("``image v1 list``", columns.IMAGE),
        ("``compute image list``", columns.COMPUTE_IMAGE),
    ],
)
def test_the_columns_of_lists_are_told_of(title: str, table: list[columns.Column]) -> None:
    assert table_of(title) == [column.title for column in table]


@pytest.mark.parametrize(
    ("title", "model", "renamed"),
    [
        ("``image v1 show``, ``image v1 create``", ImageDetail, {}),
        ("``compute image show``", ComputeImage, {"metadata": "properties"}),
    ],
)
def test_the_fields_of_show_are_told_of(title: str, model: Any, renamed: dict[str, str]) -> None:
    text = (REFERENCE / "output.rst").read_text().split(f"\n{title}\n==", 1)[1]
    told = re.findall(r"``(\w+)``", text.split(".\n")[0].split("\n\n")[1].split(". ")[0])
    known = {renamed.get(field.name, field.name) for field in fields(model)} - {"extra"}
    assert told == sorted(known)


def test_the_exit_statuses_are_told_of() -> None:
    text = (DOC / "scripts.rst").read_text()
    told = re.findall(r"^(\d+) +\S", text, re.MULTILINE)
    assert told[:4] == ["0", "1", "2", "3"]
    assert {"130", "141", "143"} <= set(told)


#: Words of the services, the system or argparse, and messages put together from parts.
NOT_LITERAL = (
    "Connection refused",
    "HTTP ",
    "Invalid marker",
    "is left, killed: remove it with",
    "--os-image-v1-api-version must be 1",
    "The catalog has no image service",
    "data needs a disk format and a container format",
    "expected one argument",
    "is not an openstack command",
)


def test_the_messages_of_troubleshooting_are_those_of_the_code() -> None:
    source = "\n".join(path.read_text() for path in sorted((ROOT / "osc_image_v1").rglob("*.py")))
    source = re.sub(r'"\s*\n\s*f?"', "", source)
    text = (DOC / "troubleshooting.rst").read_text()
    titles = re.findall(r"^``.*``$", text, re.MULTILINE)
    assert len(titles) > 20
    for title in titles:
        for message in re.findall(r"``([^`]+)``", title):
            if any(words in title for words in NOT_LITERAL) or len(message) < 12:
                continue
            parts = sorted(re.split(r"\.\.\.|'|\bv\d|: ", message), key=len)
            assert parts[-1].strip() in source, message


def test_the_table_of_headers_is_the_one_that_is_played() -> None:
    from tests.worlds.test_front_ends import LETS_THROUGH, TABLE

    page = (DOC / "reference/front-ends.rst").read_text()
    names = {"nginx": "nginx", "haproxy": "HAProxy", "apache": "Apache"}
    assert page.count("\n   * - ") == 1 + len(TABLE)
    for row in TABLE:
        through = [name for front, name in names.items() if (front, row) in LETS_THROUGH]
        cells = [row, ", ".join(through), *["yes"] * 5]
        assert "   * - " + "\n     - ".join(cells) + "\n" in page


def test_the_environments_of_tox_are_told_of() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    there = {name.partition(":")[2] for name in tox.sections() if name.startswith("testenv:")}
    text = (ROOT / "CONTRIBUTING.rst").read_text()
    table = text.split("\n=====")[1:]
    told = set(re.findall(r"^``(\w+)`` +\S", "".join(table), re.MULTILINE)) - {"tox"}
    assert told == there | {"py3"}
    run = {name.strip() for name in tox["tox"]["env_list"].split(",")}
    assert there - {"demo", "cloud", "examples", "bench"} <= run


def test_the_command_for_all_tests_is_the_one_that_ci_runs() -> None:
    line = "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox"
    readme = (ROOT / "README.rst").read_text().splitlines()
    assert readme.count(f"    {line}") == 1
    assert readme.count(f"    {line} -e demo") == 1
    pattern = re.search(r"sed -n 's/\^(.*?)\$/\\1/p' README", (ROOT / ".ci" / "run").read_text())
    assert pattern
    assert re.fullmatch(re.sub(r"\\([()/])", r"\1", pattern[1]), f"    {line}")


#: What the older clients had: python-glanceclient 4.13, python-novaclient 6, python-openstackclient
#: 10.5 with v1, and Glance 15's replicator.
OLDER = {
    "From ``glance`` with v1": """
        image-list image-show image-create image-update image-delete image-download member-list
        member-create member-delete --name --status --changes-since --container-format
        --disk-format --size-min --size-max --property-filter --page-size --human-readable
        --sort-key --sort-dir --is-public --owner --all-tenants --max-column-width --id --store
        --size --min-disk --min-ram --location --file --checksum --copy-from --is-protected
        --property --progress --purge-props --can-share --image-id --tenant-id
    """,
    "From ``nova``": """
        image-list image-show image-meta image-delete image-create backup --limit --metadata --poll
        --show
    """,
    "From ``openstack --os-image-api-version 1``": """
        list show create set delete save --public --private --shared --property --long --page-size
        --sort --human-readable --id --store --container-format --disk-format --size --min-disk
        --min-ram --location --copy-from --file --volume --force --checksum --protected
        --unprotected --project --name --stdin --chunk-size
    """,
    "From ``glance-replicator``": """
        compare dump livecopy load size help --chunksize --dontreplicate --metaonly --token
        --sourcetoken --mastertoken --targettoken --slavetoken -c -D -m -t -M -S
    """,
}


@pytest.mark.parametrize("title", OLDER)
def test_all_that_older_clients_had_is_told_of(title: str) -> None:
    text = (DOC / "moving.rst").read_text().split(f"\n{title}\n==")[1].split("\n\nFrom ")[0]
    told = {word for literal in re.findall(r"``([^`]+)``", text) for word in literal.split()}
    assert set(OLDER[title].split()) <= told


def test_what_older_clients_had_is_moved_to_what_there_is() -> None:
    literals = re.findall(r"``openstack ([^`]+)``", (DOC / "moving.rst").read_text())
    ours = [text for text in literals if text.startswith(("image v1 ", "compute image "))]
    assert len(ours) > 20
    for text in ours:
        name = next(name for name in COMMANDS if f"{text} ".startswith(f"{name} "))
        known = {option for action in actions_of(name) for option in action.option_strings}
        assert set(re.findall(r"--[\w-]+", text)) <= known, text


LIBRARIES = ["osc-lib", "cliff", "keystoneauth1", "openstacksdk", "python-dateutil", "requests"]


def test_the_versions_that_were_walked_with_are_those_of_the_sets() -> None:
    text = (REFERENCE / "versions.rst").read_text()
    table = text.split("\n\n====")[1].split("\n\n")[0].replace(" +", "+").splitlines()
    rows = [line.split() for line in table if line[:1].isalpha()]
    told = {column[0]: column[1:] for column in zip(*(row[1:] for row in rows), strict=True)}
    assert [row[0] for row in rows] == ["Client", "Python", *LIBRARIES]
    assert set(told) == {*clients.RELEASES, "debian"}
    for release, pythons in clients.RELEASES.items():
        text = (clients.SETS / f"{release}.txt").read_text()
        there = dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))
        assert there["python-openstackclient"] == release
        assert told[release][0] in pythons
        for library, version in zip(LIBRARIES, told[release][1:], strict=True):
            assert version == there.get(library, version), (release, library)
            assert version.endswith("+") == (library not in there), (release, library)
    assert told["debian"][1:] == told["6.0.0"][1:]


def test_the_oldest_releases_are_the_lower_bounds() -> None:
    def versions(name: str, sign: str) -> dict[str, str]:
        lines = (ROOT / name).read_text().splitlines()
        pairs = [line.split("#")[0].strip().split(sign) for line in lines if sign in line]
        return dict(pairs)

    oldest = versions("oldest-requirements.txt", "==")
    for package, version in versions("requirements.txt", ">=").items():
        assert oldest[package] == version or oldest[package].startswith(f"{version}."), package


def walks() -> list[list[str]]:
    """Return the files that each walk through the layers enters, in order."""
    text = (DOC / "layers.rst").read_text().partition("Three walks")[2].partition("Rules that")[0]
    steps = re.findall(r"^(\d+)\. ``(\w+/\w+\.py)``:", text, re.MULTILINE)
    found: list[list[str]] = []
    for number, path in steps:
        if number == "1":
            found.append([])
        found[-1].append(path)
    return found


@pytest.mark.parametrize("walk", walks(), ids=lambda walk: walk[0])
def test_walks_through_the_layers_go_down(walk: list[str]) -> None:
    assert len(walks()) == 5
    for path in walk:
        assert (ROOT / "osc_image_v1" / path).is_file(), path
    floors = [
        "cli report migrate archive transfer api".split().index(p.split("/")[0]) for p in walk
    ]
    assert floors == sorted(floors)


def test_each_cloud_that_it_was_tried_on_names_tests_that_there_are() -> None:
    page = (REFERENCE / "clouds.rst").read_text()
    tables, _title, _rest = page.partition("What was not tried")
    rows = re.findall(r"^   \* - (.*?)(?=^   \* - |^\S|\Z)", tables, re.MULTILINE | re.DOTALL)
    assert len(rows) > 40
    for row in rows:
        tests = re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", row)
        assert tests or "- Held by" in row, row
        for path, name in tests:
            assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(), re.MULTILINE), name
