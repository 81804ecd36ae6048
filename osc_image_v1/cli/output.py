"""Commands that write lists and single things."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import os
from collections.abc import Iterator
from typing import Any, TypeVar

from osc_lib.command import command

from osc_image_v1.cli import helping

_T = TypeVar("_T")


def started(items: Iterator[_T]) -> Iterator[_T]:
    """Return the same items, the first of them made: an error at once comes before any output.

    :param items: an iterator, say over the rows of a list
    """
    for first in items:
        return itertools.chain((first,), items)
    return iter(())


class Lister(helping.Helped, command.Lister):
    """A list command whose rows leave while they come in."""

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write the list."""
        if parsed_args.formatter in ("csv", "json", "table"):
            from osc_image_v1.cli import streams

            self.formatter = streams.FORMATTERS[parsed_args.formatter]()
        if parsed_args.sort_columns:
            # What cannot be sorted is listed unsorted: an iterator would be used up by then.
            data = list(data)
        survive_surrogates(self.app.stdout)
        # Rows make no cycles: what the collector would search again and again is alive.
        gc.freeze()
        collecting = gc.isenabled()
        gc.disable()
        try:
            with written(self.app.stdout):
                return super().produce_output(parsed_args, column_names, data)
        finally:
            if collecting:
                gc.enable()


class ShowOne(helping.Helped, command.ShowOne):
    """A command that shows one thing."""

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write the thing."""
        survive_surrogates(self.app.stdout)
        with written(self.app.stdout):
            return super().produce_output(parsed_args, column_names, data)


@contextlib.contextmanager
def written(stdout: Any) -> Iterator[None]:
    """See to it that what is written has left; that nobody reads it is noticed here.

    :param stdout: a text stream
    :raises BrokenPipeError: if nobody reads it
    """
    try:
        yield
        stdout.flush()
    except BrokenPipeError:
        # What is left would fail once more when the process ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stdout.fileno())
            os.close(nowhere)
        raise


def survive_surrogates(stdout: Any) -> None:
    """Let an output show what it cannot encode as an escape instead of failing.

    :param stdout: a text stream
    """
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")
