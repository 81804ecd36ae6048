"""Glance 15 on a Python ten years younger: ``glance15.py api|registry|db-sync CONFIG_FILE``.

What it misses is put back before any of it is imported, and what it then still does otherwise than
on the Python 2.7 that it was made for is mended after. Nothing is changed on disk.
"""

from __future__ import annotations

import collections
import collections.abc
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any


def bring_back_what_python_dropped() -> None:
    """Old names that Glance 15, and some of what it leans on, still use."""
    for name in (
        "Callable",
        "Hashable",
        "Iterable",
        "Iterator",
        "Mapping",
        "MutableMapping",
        "MutableSequence",
        "MutableSet",
        "Sequence",
        "Set",
    ):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    if not hasattr(inspect, "getargspec"):

        def getargspec(function: Callable[..., Any]) -> tuple[Any, ...]:
            return tuple(inspect.getfullargspec(function)[:4])

        setattr(inspect, "getargspec", getargspec)  # noqa: B010


def allow_many_headers() -> None:
    """An image may have 128 properties, each a header line; Python reads 100 lines."""
    setattr(importlib.import_module("http.client"), "_MAXHEADERS", 10_000)  # noqa: B010


def let_options_have_no_value() -> None:
    """The Swift driver gives ConfigParser a default of None, which newer ones refuse."""
    parser = importlib.import_module("configparser").ConfigParser
    original = parser.__init__

    def init(self: Any, defaults: Any = None, **options: Any) -> None:
        if defaults and None in dict(defaults).values():
            options.setdefault("allow_no_value", True)
        original(self, defaults, **options)

    parser.__init__ = init


def refuse_to_serialize_answers() -> None:
    """Controllers return HTTP errors, and rely on the JSON serializer to raise TypeError on them.

    Newer serializers fall back on ``repr()``, and a refused member change would answer 200.
    """
    webob = importlib.import_module("webob")
    serializer = importlib.import_module("glance.common.wsgi").JSONResponseSerializer
    original = serializer.to_json

    def to_json(self: Any, data: Any) -> Any:
        if isinstance(data, webob.Response):
            raise TypeError(data)
        return original(self, data)

    serializer.to_json = to_json


def stop_properties_from_recursing() -> None:
    """v2's property class calls itself for ever where dict's methods call one another."""
    properties = importlib.import_module("glance.domain").ExtraProperties
    for name in ("keys", "__len__", "__eq__"):
        setattr(properties, name, getattr(dict, name))


class Utf8Headers:
    """A paste filter: v1's metadata headers are UTF-8; WSGI on Python 3 shows them as latin-1."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app

    @classmethod
    def factory(cls, _global_conf: dict[str, str]) -> type[Utf8Headers]:
        """What a paste configuration names as ``paste.filter_factory``."""
        return cls

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        try:
            for name, value in environ.items():
                if name.startswith("HTTP_X_IMAGE_META_"):
                    environ[name] = value.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            # The answer that Glance itself gave on Python 2.
            start_response("400 Bad Request", [("Content-Type", "text/plain; charset=UTF-8")])
            return [b"400 Bad Request\n\nError decoding your request."]

        def answer(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            recoded = [(_as_wsgi(name), _as_wsgi(value)) for name, value in headers]
            return start_response(status, recoded, *rest)

        return self.app(environ, answer)


def _as_wsgi(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")


def main(what: str, config: str) -> None:
    """Mend Glance, then run the part of it that is asked for."""
    bring_back_what_python_dropped()
    allow_many_headers()
    let_options_have_no_value()
    sys.argv = ["glance-" + what, "--config-file", config]
    if what == "db-sync":
        # glance-manage's own command line fails on Python 3.11 and later.
        manage = importlib.import_module("glance.cmd.manage")
        importlib.import_module("glance.common.config").parse_args(sys.argv[1:])
        manage.DbCommands().sync()
        return
    program = importlib.import_module("glance.cmd." + what)
    refuse_to_serialize_answers()
    stop_properties_from_recursing()
    # The paste configuration names this file as "glance15"; let it find this one, not a copy.
    sys.modules["glance15"] = sys.modules["__main__"]
    program.main()


if __name__ == "__main__":
    main(*sys.argv[1:3])
