"""A paste filter: a cache for Swift's proxy in its own memory, where others have memcached."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class Memory:
    """As much of memcached's client as Swift asks for; it is in ``environ["swift.cache"]``."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Any, float]] = {}

    @classmethod
    def factory(cls, _global_conf: dict[str, str], **_local_conf: str) -> Callable[..., Any]:
        """What a paste configuration names as ``paste.filter_factory``."""
        memory = cls()

        def with_memory(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
            def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
                environ["swift.cache"] = memory
                return app(environ, start_response)

            return call

        return with_memory

    def get(self, key: str, **_options: Any) -> Any:
        value, until = self.kept.get(key, (None, 0.0))
        return value if until == 0 or until > time.time() else None

    def set(self, key: str, value: Any, time: int = 0, **_options: Any) -> None:
        # What comes back from memcached went through JSON; tuples are lists then.
        self.kept[key] = (json.loads(json.dumps(value)), _until(time))

    def delete(self, key: str, **_options: Any) -> None:
        self.kept.pop(key, None)

    def incr(self, key: str, delta: int = 1, time: int = 0, **_options: Any) -> int:
        value = max(int(self.get(key) or 0) + int(delta), 0)
        self.kept[key] = (value, _until(time))
        return value

    def decr(self, key: str, delta: int = 1, time: int = 0, **options: Any) -> int:
        return self.incr(key, -int(delta), time)

    def set_multi(
        self, mapping: Mapping[str, Any], server_key: str, time: int = 0, **_options: Any
    ) -> None:
        for key, value in mapping.items():
            self.set(key, value, time)

    def get_multi(self, keys: Iterable[str], server_key: str, **_options: Any) -> list[Any]:
        return [self.get(key) for key in keys]


def _until(seconds: int) -> float:
    return time.time() + seconds if seconds else 0.0
