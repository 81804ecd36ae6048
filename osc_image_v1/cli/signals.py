"""Commands that end in order when they are told to."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def ended_by_signals(message: str) -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as an exception that cleans up, and tell of it.

    :param message: what an interrupted command says
    """
    changed = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                changed[number] = signal.signal(number, _end)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        LOG.error(message)
        raise
    finally:
        for number, handler in changed.items():
            signal.signal(number, handler)


def _end(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
