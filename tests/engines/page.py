"""The examples of the page about many machines: what is run here is what stands there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from osc_image_v1.transfer.shards import Shard

PAGE = Path(__file__).resolve().parents[2] / "doc" / "source" / "many-machines.rst"

#: No image is larger, so that all is soon done.
MOST = 1000
CHOSEN = f"--max-size {MOST}"


def example(language: str, word: str) -> str:
    """Return the one block of the page in a language that has a word."""
    pattern = rf"\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)"
    found = [text for text in re.findall(pattern, PAGE.read_text()) if word in text]
    assert len(found) == 1, f"{len(found)} blocks of {language} have {word!r}"
    return textwrap.dedent(found[0])


def literal(pattern: str) -> str:
    """Return the one command in a sentence of the page that a pattern matches."""
    texts = [" ".join(text.split()) for text in re.findall(r"``([^`]+)``", PAGE.read_text())]
    found = {text for text in texts if re.fullmatch(pattern, text)}
    assert len(found) == 1, f"{len(found)} commands match {pattern!r}"
    return found.pop()


def here(script: str, folder: Path, shards: int, chosen: str = CHOSEN) -> str:
    """Return an example for a folder of the test, few images, and few parts.

    :param script: the example
    :param folder: where ``images`` and the file ``parts`` are, in place of the page's folders
    :param shards: how many parts there are
    :param chosen: which images
    """
    changes = [
        (r"(?<!\S)(?:/scratch|/srv)?/images\b", str(folder / "images")),
        (r"(?<!\S)(?:/scratch/|/job/)parts\b", str(folder / "parts")),
        (r"--all\b", f"--all --status active {chosen}"),
        (r"(?<=--shards )\d+", str(shards)),
        (r"(?<=--array=1-)\d+%\d+", str(shards)),
        (r"(?<=completions: )\d+", str(shards)),
    ]
    for pattern, instead in changes:
        script = re.sub(pattern, instead, script)
    assert not re.search(r"(?<!\S)/(scratch|srv|images)\b", script)
    return script


def parts_of(folder: Path) -> list[Shard]:
    """The parts in the order of the file that the examples begin them by."""
    lines = (folder / "parts").read_text().split()
    return [Shard(*map(int, line.split("/"))) for line in lines]
