"""Do several things at once, and stop all of them when one fails or the user has had enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

from tests.cloud.reports import CloudError, say

Result = TypeVar("Result")

#: What each job is given, to ask whether it should go on.
Stop = threading.Event


def together(jobs: Mapping[str, Callable[[Stop], Result]], what: str) -> dict[str, Result]:
    """Run the jobs, and say every now and then which are still at it; their results by name."""
    stop = Stop()
    results: dict[str, Result] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(len(jobs)) as pool:
        at_work = {pool.submit(job, stop): name for name, job in jobs.items()}
        try:
            while at_work:
                done, _ = wait(at_work, timeout=15, return_when=FIRST_COMPLETED)
                for job in done:
                    name = at_work.pop(job)
                    error = job.exception()
                    if error is None:
                        results[name] = job.result()
                    else:
                        # The first is the one to tell: the others fail for having been stopped.
                        failure = failure or error
                        stop.set()
                if not done:
                    say(f"still {what} {' and '.join(at_work.values())}")
        except KeyboardInterrupt:
            stop.set()
            raise
    if failure:
        raise failure
    return results


def check(stop: Stop, seconds: float = 0) -> None:
    """Give up if one should; ``seconds`` gives a Ctrl-C time to arrive."""
    if stop.wait(seconds):
        raise CloudError("stopped")
