"""The examples of the documentation, run on the real cloud.

A ``console`` block holds commands, each after ``$ ``, and what they print; a ``python`` block holds
a program, and the ``text`` block right after it, if there is one, what it prints. All the examples
of a page are run in order: the commands in one shell, in an empty folder, and the programs in one
namespace. Blocks of other languages are not run.

``python -m tests.examples`` writes into the pages what is printed now; a test compares.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cloud import Cloud
from tests.demo import environment

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.rst", *sorted((ROOT / "doc" / "source").rglob("*.rst")))

_DIRECTIVE = re.compile(r"( *)\.\. code-block:: (console|python|text)")
_MARK = "\x1e"

#: What differs from run to run or from cloud to cloud, and what it is compared as.
_VOLATILE = (
    (re.compile(r"req-[0-9a-f-]{36}"), "REQUEST"),
    (re.compile(r"\b([0-9a-f]{32}|[0-9a-f]{64})\b"), "HEX"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "TIME"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
)


@dataclass
class Block:
    """One block of a page: its lines, and where they begin and end among the page's."""

    language: str
    lines: list[str]
    start: int
    end: int
    indent: str

    def commands(self) -> list[str]:
        """Return the commands of a console block, continuation lines joined."""
        found: list[str] = []
        for line in self.lines:
            if line.startswith("$ "):
                found.append(line[2:])
            elif found and found[-1].endswith("\\"):
                found[-1] += "\n" + line.removeprefix("> ")
        return found


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page that are examples.

    :param text: the page
    """
    found = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        directive = _DIRECTIVE.fullmatch(line)
        if directive is None:
            continue
        indent = directive[1] + "   "
        first = last = number + 2
        while last < len(lines) and (not lines[last] or lines[last].startswith(indent)):
            last += 1
        while not lines[last - 1]:
            last -= 1
        body = [line.removeprefix(indent) for line in lines[first:last]]
        found.append(Block(directive[2], body, first, last, indent))
    return found


def run_commands(commands: Sequence[str], env: Mapping[str, str], folder: str) -> list[str]:
    """Run commands in one shell, and return what each prints.

    :param commands: what a person would type
    :param env: the environment
    :param folder: the working directory
    """
    script = "".join(
        f"status=$?; printf '{_MARK}\\n'; (exit $status)\n{command}\n" for command in commands
    )
    done = subprocess.run(
        ["bash", "-c", "set -o pipefail\n" + script],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.stdout.split(_MARK + "\n")[1:]


def run_page(text: str, env: Mapping[str, str]) -> Iterator[tuple[Block, list[str]]]:
    """Run the examples of a page, and yield each block with the lines that it should have.

    :param text: the page
    :param env: the environment
    """
    found = blocks(text)
    commands = [command for block in found for command in block.commands()]
    with tempfile.TemporaryDirectory() as folder:
        outputs = iter(run_commands(commands, env, folder) if commands else ())
        namespace: dict[str, object] = {"__name__": "__main__"}
        printed = ""
        for before, block in zip([None, *found], found, strict=False):
            if block.language == "console":
                yield block, list(_with_outputs(block, outputs))
            elif block.language == "python":
                printed = _run_program("\n".join(block.lines), env, namespace)
            elif before is not None and before.language == "python":
                yield block, printed.rstrip("\n").split("\n")


def _with_outputs(block: Block, outputs: Iterator[str]) -> Iterator[str]:
    for command in block.commands():
        first, *more = command.split("\n")
        yield f"$ {first}"
        yield from (f"> {line}" for line in more)
        output = next(outputs).rstrip("\n")
        yield from (line.rstrip() for line in output.split("\n") if output)


def _run_program(source: str, env: Mapping[str, str], namespace: dict[str, object]) -> str:
    printed = io.StringIO()
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(source, "<example>", "exec"), namespace)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return printed.getvalue()


def comparable(lines: Sequence[str]) -> list[str]:
    """Return lines in which what differs from cloud to cloud is the same.

    :param lines: lines of an example
    """
    text = "\n".join(lines)
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return text.split("\n")


def settings(cloud: Cloud) -> dict[str, str]:
    """Return the environment of the examples.

    :param cloud: the cloud, up
    """
    return {
        **environment(cloud),
        "CLIFF_MAX_TERM_WIDTH": "100",
        "LC_ALL": "C.UTF-8",
        # What goes to standard output and what goes to standard error in the order of a terminal.
        "PYTHONUNBUFFERED": "1",
    }


def rewritten(text: str, env: Mapping[str, str]) -> str:
    """Return a page with what its examples print now.

    :param text: the page
    :param env: the environment
    """
    page = text.split("\n")
    for block, lines in reversed(list(run_page(text, env))):
        if comparable(lines) != comparable(block.lines):
            page[block.start : block.end] = [block.indent + line if line else "" for line in lines]
    return "\n".join(page)


def main(names: Sequence[str]) -> int:
    """Rewrite pages, by default all."""
    cloud = Cloud()
    cloud.up()
    for page in [Path(name).resolve() for name in names] or PAGES:
        text = page.read_text()
        if not blocks(text):
            continue
        cloud.reset()
        new = rewritten(text, settings(cloud))
        if new != text:
            page.write_text(new)
            print(f"rewritten: {page.relative_to(ROOT)}")
    cloud.reset()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
