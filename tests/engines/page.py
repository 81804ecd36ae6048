"""The examples of the page about many machines: what is run here is what stands there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

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


def here(script: str, directory: Path, *parts: tuple[str, int], chosen: str = CHOSEN) -> str:
    """Return an example for a folder of the test, few images, and few parts.

    :param script: the example
    :param directory: what is instead of the page's folder of images
    :param parts: where numbers of parts are, as patterns, and what is instead
    :param chosen: which images
    """
    changes = [(r"(?<!\S)(?:/scratch|/srv)?/images\b", str(directory))]
    changes += [(pattern, str(number)) for pattern, number in parts]
    if "--all" in script:
        changes.append((r"--all\b", f"--all --status active {chosen}"))
    for pattern, instead in changes:
        script, count = re.subn(pattern, instead, script)
        assert count, f"the example has nothing like {pattern}"
    return script
