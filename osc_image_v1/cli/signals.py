"""Commands that end in order when they are told to."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

LOG = logging.getLogger(__name__)


_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


@contextlib.contextmanager
def ended_by_signals(message: str, interrupt: Callable[[], bool] | None = None) -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as an exception that cleans up, and tell of it.

    :param message: what an interrupted command says
    :param interrupt: makes what is within come to its end before its time, so that what is done
        is not lost; then this ends the command. It tells whether that is of use. A second signal
        ends at once
    """
    caught: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if caught or interrupt is None or not interrupt():
            _end(number)
        caught.append(number)

    changed = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP", *(("SIGINT",) if interrupt else ())):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) in _DEFAULTS:
                changed[number] = signal.signal(number, handle)
    try:
        yield
        if caught:
            _end(caught[0])
    except (KeyboardInterrupt, SystemExit):
        LOG.error(message)
        raise
    finally:
        for number, handler in changed.items():
            signal.signal(number, handler)


def _end(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
