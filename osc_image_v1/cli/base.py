"""What commands have in common: help that ends in examples, output that leaves as it comes."""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import itertools
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NoReturn, TypeVar

from osc_lib.command import command

from osc_image_v1.i18n import _

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

_INDENT = "    "


def examples(*lines: str) -> str:
    """Return the end of a command's help.

    It is reStructuredText, of which the reference of all commands is made.

    :param lines: what a person would type
    """
    return "\n\n".join((_("Examples") + "::", "\n".join(_INDENT + line for line in lines)))


def _keeping_lines(formatter: Any) -> Any:
    class KeepingLines(formatter):
        """Wraps paragraphs, and leaves lines alone that are indented."""

        def _fill_text(self, text: str, width: int, indent: str) -> str:
            return "\n\n".join(
                part
                if part.startswith(_INDENT)
                else super(KeepingLines, self)._fill_text(
                    part.removesuffix("::") + ":" if part.endswith("::") else part, width, indent
                )
                for part in text.split("\n\n")
            )

    return KeepingLines


def started(items: Iterator[_T]) -> Iterator[_T]:
    """Return the same items, the first of them made: an error at once comes before any output.

    :param items: an iterator, say over the rows of a list
    """
    for first in items:
        return itertools.chain((first,), items)
    return iter(())


@contextlib.contextmanager
def usage() -> Iterator[None]:
    """Let what is refused within be a command line that is wrong, before anything is sent.

    :raises WrongUsage: for each InvalidInput
    """
    from osc_image_v1.exceptions import InvalidInput, WrongUsage

    try:
        yield
    except InvalidInput as error:
        raise WrongUsage(str(error)) from error


class _CommandMeta(type(command.Command)):  # type: ignore[misc]
    """Gives commands the logger of their module."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        # osc-lib makes one for each class, which every start of the shell would wait for.
        namespace.setdefault("log", logging.getLogger(namespace["__module__"]))
        return super().__new__(mcs, name, bases, namespace)


class Command(command.Command, metaclass=_CommandMeta):
    """A command whose help may have examples."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if os.getpid() == 1:
            # The kernel drops what the first process of a container does not handle itself; the
            # log-in comes before the command is run.
            for name in ("SIGTERM", "SIGHUP"):
                if signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:
                    signal.signal(getattr(signal, name), _end)

    def get_epilog(self) -> str:
        """Return the end of the command's help."""
        # cliff would look for the plugin's name in the metadata of all that is installed, each time
        # a command runs: that takes longer than a request.
        hooked = (hook.obj.get_epilog() for hook in self._hooks if hook.obj is not None)
        provided = _("This command is provided by the osc-image-v1 plugin.")
        return "\n\n".join((self._epilog or "", *filter(None, hooked), provided))

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the command's parser."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.formatter_class = _keeping_lines(parser.formatter_class)
        self.add_options(parser)
        return parser

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options, after those that all such commands have."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command, and return its exit status.

        SIGTERM, SIGHUP and Control-C end it within five seconds, whatever it is at.
        """
        from osc_image_v1.exceptions import OwnFailures, WrongUsage

        quiet = getattr(getattr(self.app, "options", None), "verbose_level", 1) == 0
        shown = False if quiet else getattr(parsed_args, "progress", None)
        with _hearing_signals() as signals, _quiet_headers(), _quiet_logs(), _bars(shown):
            try:
                if self.app.stdout is None and hasattr(self, "produce_output"):
                    raise WrongUsage(_("Standard output is closed: nothing could be shown"))
                status: int = super().run(parsed_args)
            except (OwnFailures, WrongUsage) as error:
                # Of an exception the shell makes 1, whatever it is.
                LOG.error(error)
                return error.exit_status
            except (KeyboardInterrupt, SystemExit) as ended:
                signals.ends_process = isinstance(ended, SystemExit) and hasattr(
                    self.app, "interactive_mode"
                )
                if signals.ends_process:
                    # The collector would look through all modules once more, which takes longer
                    # than all that has to be cleaned up.
                    gc.freeze()
                for stream in (self.app.stdout, sys.stderr):
                    _let_go(stream)
                raise
            return status


class Lister(Command, command.Lister):
    """A list command whose rows leave while they come in."""

    #: Titles of columns that a narrow terminal may do without, the first of them first.
    expendable: tuple[str, ...] = ()

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write the list."""
        from osc_image_v1.cli import columns, outputs

        columns.check_named(column_names, parsed_args)
        if parsed_args.formatter in ("csv", "json", "table", "yaml"):
            self.formatter = outputs.FORMATTERS[parsed_args.formatter]()
            chosen = parsed_args.columns or getattr(parsed_args, "long", False)
            self.formatter.expendable = () if chosen else self.expendable
        if parsed_args.sort_columns:
            # What cannot be sorted is listed unsorted: an iterator would be used up by then.
            data = list(data)
        survive_surrogates(self.app.stdout)
        goes_on = getattr(self.app, "interactive_mode", False)
        with _without_collector(goes_on), outputs.waiting(self.app), written(self.app.stdout):
            return super().produce_output(parsed_args, column_names, data)


class ShowOne(Command, command.ShowOne):
    """A command that shows one thing."""

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write the thing."""
        from osc_image_v1.cli import columns, outputs

        columns.check_named(column_names, parsed_args)
        if parsed_args.formatter == "shell":
            self.formatter = outputs.ShellVariables()
        survive_surrogates(self.app.stdout)
        with outputs.waiting(self.app), written(self.app.stdout):
            return super().produce_output(parsed_args, column_names, data)


# The state of the whole process that commands change, each for as long as it is of use.


@contextlib.contextmanager
def _quiet_headers() -> Iterator[None]:
    """Keep urllib3 from telling of headers that end early.

    An image's name can have line breaks, which end the headers of an answer. urllib3 warns of that
    with a traceback that helps nobody; what is missing then has its own error.
    """
    log = logging.getLogger("urllib3.connection")
    log.addFilter(_is_no_header)
    try:
        yield
    finally:
        log.removeFilter(_is_no_header)


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Let nobody make text for a log that no handler takes.

    The shell lets all texts through to its handlers, which drop most. To make them took a tenth and
    more of the time of a request.
    """
    handlers = logging.getLogger().handlers
    changed = []
    for name in ("osc_image_v1", "urllib3"):
        log = logging.getLogger(name)
        # Where somebody has chosen a level, or listens here, all stays as it is.
        alone = all(isinstance(handler, logging.NullHandler) for handler in log.handlers)
        if handlers and alone and log.level == logging.NOTSET:
            log.setLevel(min(handler.level for handler in handlers))
            changed.append(log)
    try:
        yield
    finally:
        for log in changed:
            log.setLevel(logging.NOTSET)


@contextlib.contextmanager
def _bars(wanted: bool | None) -> Iterator[None]:
    """Show bars or none.

    :param wanted: None where a terminal decides
    """
    if wanted is None:
        yield
        return
    from osc_image_v1.transfer.progress import shown

    with shown(wanted):
        yield


def _is_no_header(record: logging.LogRecord) -> bool:
    return "Failed to parse headers" not in str(record.msg)


@contextlib.contextmanager
def _without_collector(goes_on: bool) -> Iterator[None]:
    """Let the garbage collector rest.

    Rows make no cycles: what it would search again and again is alive.

    :param goes_on: whether the process does so after the command. One that ends does so sooner
        where the collector need not look at what was alive
    """
    collecting, others = gc.isenabled(), gc.get_freeze_count()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if goes_on and not others:
            gc.unfreeze()
        (gc.enable if collecting else gc.disable)()


@contextlib.contextmanager
def written(stdout: Any) -> Iterator[None]:
    """See to it that what is written has left; that nobody reads it is noticed here.

    :param stdout: a text stream
    :raises BrokenPipeError: if nobody reads it
    :raises FileFailed: if it cannot be written for another reason
    """
    try:
        yield
        stdout.flush()
    except BrokenPipeError:
        # What is left would fail once more when the process ends.
        _to_nowhere(stdout)
        raise
    except OSError as error:
        from osc_image_v1.exceptions import FileFailed

        _to_nowhere(stdout)
        reason = error.strerror or str(error)
        raise FileFailed(_("Cannot write to standard output: %s") % reason) from error


def _to_nowhere(stream: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _let_go(stream: Any) -> None:
    """Write what waits in a stream, unless nobody takes it: the process would hang on it."""
    try:
        if select.select((), (stream,), (), 0)[1]:
            stream.flush()
        else:
            _to_nowhere(stream)
    except (OSError, ValueError, TypeError, KeyboardInterrupt, SystemExit):
        _to_nowhere(stream)


def survive_surrogates(stdout: Any) -> None:
    """Let an output show what it cannot encode as an escape instead of failing.

    :param stdout: a text stream
    """
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")


# Seconds after a signal: what still holds up the end is interrupted then, and at last the process
# ends in the middle of it. Workers have less, see :mod:`~osc_image_v1.transfer.many`.
_AGAIN = 3.0
_AT_LAST = 4.5


def _end(number: int, _frame: object = None) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler, _end)


class _Signals:
    """Lets SIGTERM, SIGHUP and Control-C end what is within as an exception that cleans up.

    A thread sees to it that this has an end, whatever hangs: Python hears nothing of a signal while
    the system looks up a name, and cleaning up may wait for a service that is silent, or for
    somebody to read the output.

    :ivar caught: the first signal that came, 0 for none
    :ivar interrupt: what :func:`ended_by_signals` has to make all come to its end first
    :ivar ends_process: whether the process ends now, which must have an end, too
    """

    current: ClassVar[_Signals | None] = None

    def __init__(self) -> None:
        self.caught = 0
        self.interrupt: Callable[[], bool] | None = None
        self.ends_process = False
        self._changed: dict[int, Any] = {}
        self._left = False
        self._over = threading.Event()

    def __enter__(self) -> _Signals:
        _Signals.current = self
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGHUP", "SIGINT"):
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) in _DEFAULTS:
                    self._changed[number] = signal.signal(number, self._handle)
        # Windows has no such signals, and a program with an event loop has its own.
        self._watched = bool(self._changed) and hasattr(signal, "pthread_kill")
        if self._watched:
            read, self._write = os.pipe()
            os.set_blocking(self._write, False)
            self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
            threading.Thread(
                target=self._watch, args=(read, threading.get_ident()), daemon=True
            ).start()
        return self

    def __exit__(self, *_raised: object) -> None:
        _Signals.current = None
        self._left = True
        if not self.ends_process:
            self._over.set()
        if self._watched:
            signal.set_wakeup_fd(self._before)
            with contextlib.suppress(BrokenPipeError):
                os.write(self._write, b"\0")
            os.close(self._write)
        for number, handler in self._changed.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: object) -> None:
        first, self.caught = not self.caught, self.caught or number
        if not first or self.interrupt is None or not self.interrupt():
            _end(number)

    def _watch(self, read: int, main: int) -> None:
        number = os.read(read, 1)[0]
        while number and number not in self._changed:
            number = os.read(read, 1)[0]
        if number and not self._over.wait(_AGAIN):
            if not self._left:
                signal.pthread_kill(main, number)
            if not self._over.wait(_AT_LAST - _AGAIN):
                os._exit(128 + number)
        os.close(read)


@contextlib.contextmanager
def _hearing_signals() -> Iterator[_Signals]:
    if _Signals.current is not None:
        yield _Signals.current
        return
    with _Signals() as signals:
        yield signals


@contextlib.contextmanager
def ended_by_signals(message: str, interrupt: Callable[[], bool] | None = None) -> Iterator[None]:
    """Tell of it where a signal ends a command, and let what is done come out first.

    :param message: what an interrupted command says
    :param interrupt: makes what is within come to its end before its time, so that what is done
        is not lost; then this ends the command. It tells whether that is of use. A second signal
        ends at once
    """
    with _hearing_signals() as signals:
        before, signals.interrupt = signals.interrupt, interrupt
        try:
            yield
            if signals.caught:
                _end(signals.caught)
        except (KeyboardInterrupt, SystemExit):
            LOG.error(message)
            raise
        finally:
            signals.interrupt = before


def delete_images(
    client: Any, names_or_ids: Sequence[str], reason: Callable[[str, Exception], str]
) -> None:
    """Delete images one after the other, and fail at the end if one could not be deleted.

    :param client: a client with ``delete`` and ``find``
    :param names_or_ids: what the person wrote
    :param reason: makes of a name or ID and its error the text that is shown
    :raises ImageV1Error: if an image could not be deleted, with their count
    """
    from osc_image_v1.exceptions import ImageV1Error

    failed = 0
    for name_or_id in names_or_ids:
        try:
            _delete(client, name_or_id)
        except ImageV1Error as error:
            failed += 1
            LOG.error(reason(name_or_id, error))
    if failed:
        raise ImageV1Error(
            _("%(failed)d of %(total)d images could not be deleted")
            % {"failed": failed, "total": len(names_or_ids)}
        )


def _delete(client: Any, name_or_id: str) -> None:
    from osc_image_v1.exceptions import ImageNotFound
    from osc_image_v1.text import is_uuid

    if is_uuid(name_or_id):
        try:
            client.delete(name_or_id)
            return
        except ImageNotFound:
            # A name can look like an ID.
            pass
    client.delete(client.find(name_or_id).id)


def failure_of(sentence: str, *, own: bool, left: int, why: str | None) -> Exception:
    """Return the error of a command that images have failed in.

    :param sentence: how many failed
    :param own: whether all of them did for reasons of their own, which another run meets again
    :param left: how many images were not tried
    :param why: what :class:`~osc_image_v1.transfer.outage.Outage` says of that
    """
    from osc_image_v1.exceptions import ImageV1Error, OwnFailures

    if left:
        return ImageV1Error(sentence + _left_over(left, why))
    if own:
        return OwnFailures(
            sentence + _(", for reasons of their own, which another run meets again")
        )
    return ImageV1Error(sentence + _(": run the same command again to try them again"))


def _left_over(images: int, why: str | None) -> str:
    since = {
        "unknown": _("the token is not accepted any more: when you have a new one"),
        "failing": _("one after the other fails, and each takes long: when that is mended"),
        "full": _("the target has no room or no quota left: when there is more"),
        "limited": _("the target takes no data of such a size: when that limit is raised"),
    }
    gone = _("a service does not answer any more: when it is back")
    text: str = _(
        ", and %(images)d more were not tried, since %(since)s, run the same command again, and it "
        "goes on"
    )
    return text % {"images": images, "since": since.get(why or "", gone)}


def looking(wanted: bool) -> bool:
    """Tell whether data can be looked at; say so once where it cannot.

    :param wanted: whether it is to be
    """
    from osc_image_v1.transfer.formats import INSTALL, inspectors

    if wanted and inspectors() is None:
        LOG.warning(
            _("The formats of images are not looked at: oslo.utils is not here, or too old (%s)"),
            INSTALL,
        )
        return False
    return wanted
