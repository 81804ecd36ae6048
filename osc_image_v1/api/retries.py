"""When a request is sent again."""

from __future__ import annotations

import random
from http import HTTPStatus

import urllib3

from osc_image_v1.api.records import checked
from osc_image_v1.exceptions import ConnectionFailed, HttpError, ImageV1Error, TlsFailed


@checked
class RetryPolicy:
    """When a request is sent again, and after how long.

    ``GET`` and ``HEAD`` are sent again, up to ``attempts`` times in all, after no answer (refused,
    reset, timed out, broken off) and after 429, 502, 503 and 504. The wait is at once, then 0.5 and
    1 second, each with up to a quarter of a second more by chance; what the service says in
    ``Retry-After`` (seconds or a date) comes first, up to ``longest_wait``. No other method is sent
    again: it may have done its work. A rate limit has refused it for sure, so after 429, and after
    413 with ``Retry-After`` (the Compute service up to Havana), any method is sent again, unless
    its body is a stream that has been read. TLS failures are final.

    :param attempts: how often a request is sent, 1 for no repetition
    :param longest_wait: seconds
    :raises InvalidInput: for a value of another type
    """

    methods = frozenset(("GET", "HEAD"))
    statuses = frozenset((429, 502, 503, 504))

    def __init__(self, attempts: int = 4, longest_wait: float = 30.0) -> None:
        self.attempts = attempts
        self.longest_wait = longest_wait

    def allows(self, method: str, attempt: int, error: ImageV1Error) -> bool:
        """Tell whether a request is to be sent again.

        :param method: HTTP method
        :param attempt: how often it was sent
        :param error: what came of it
        """
        if attempt >= self.attempts:
            return False
        if _is_rate_limit(error):
            return True
        if method not in self.methods:
            return False
        if isinstance(error, HttpError):
            return error.status in self.statuses
        return isinstance(error, ConnectionFailed) and not isinstance(error, TlsFailed)

    def wait(self, attempt: int, error: ImageV1Error) -> float:
        """Return the seconds to wait before a request is sent again.

        :param attempt: how often it was sent
        :param error: what came of it
        """
        asked = _seconds(error.retry_after) if isinstance(error, HttpError) else None
        if asked is None:
            pause = 0.25 * 2 ** (attempt - 1) if attempt > 1 else 0.0
            asked = pause + random.uniform(0, 0.25)  # noqa: S311 (spread, not secrecy)
        return min(asked, self.longest_wait)


def _is_rate_limit(error: ImageV1Error) -> bool:
    if not isinstance(error, HttpError):
        return False
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _seconds(error.retry_after) is not None
    return error.status == HTTPStatus.TOO_MANY_REQUESTS


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    try:
        return float(urllib3.Retry().parse_retry_after(retry_after))
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None
