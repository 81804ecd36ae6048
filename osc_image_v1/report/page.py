"""What came of a run of many images, as one page that a person reads without this program."""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import printable
from osc_image_v1.transfer.files import file_errors, flush_directory
from osc_image_v1.transfer.many import Spool

#: How the template library comes here; ``osc-image-v1[report]`` brings the same.
INSTALL = "pip install 'Jinja2>=3.1'"


class Page:
    """A report as a page of HTML, which comes into its place when the run has ended.

    All that a service or a tenant has said is text in it, never markup; it needs no network.

    :param path: the file
    :raises InvalidInput: if the template library is not installed
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._template = _template()
        self._lines = contextlib.ExitStack()
        self._head: Record = {}
        self._places = array("Q")

    def begin(self, head: Record) -> None:
        """Remember what the run is to do."""
        self._head = head
        self._spool = self._lines.enter_context(Spool())

    def add(self, line: Record) -> None:
        """Put aside what came of an image."""
        self._places.append(self._spool.add(line))

    def end(self, summary: Record) -> None:
        """Write the page beside its place, and put it there."""
        with self._lines, file_errors("write", self._path):
            fd, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
            beside = Path(name)
            try:
                with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
                    stream = self._template.stream(
                        head=self._head, summary=summary, rows=_bars(summary), images=self._images
                    )
                    stream.enable_buffering(64)
                    stream.dump(file)
                    file.flush()
                    os.fsync(fd)
                # A page is for others to read, as far as the user wants that.
                umask = os.umask(0)
                os.umask(umask)
                beside.chmod(0o666 & ~umask)
                beside.replace(self._path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
            flush_directory(self._path.parent)

    def _images(self) -> Iterator[Record]:
        return map(self._spool.read, self._places)


def _bars(summary: Record) -> list[dict[str, Any]]:
    """Return what came of the images, with its share of all images and bytes in per cent."""
    images, sizes = dict(summary["images"]), dict(summary["bytes"])
    all_images, all_bytes = sum(images.values()) or 1, sum(sizes.values()) or 1
    return [
        {
            "action": action,
            "images": number,
            "bytes": sizes.get(action, 0),
            "share": round(100 * number / all_images, 1),
            "share_of_bytes": round(100 * sizes.get(action, 0) / all_bytes, 1),
            "bad": action in ("fail", "failed", "not tried"),
        }
        for action, number in images.items()
    ]


def _template() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise InvalidInput(
            f"A report as a page takes Jinja2: {INSTALL} brings it, or write "
            "JSON lines with a name that does not end in .html"
        ) from error
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    text = importlib.resources.files("osc_image_v1.report").joinpath("run.html").read_text("utf-8")
    return environment.from_string(text)


def _shown(value: object) -> object:
    return printable(value) if type(value) is str else value
