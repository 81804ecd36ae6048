"""Text from a server or a person: made safe for a terminal, and what kind it is."""

import re
from typing import Any

# Each start of the shell imports this: patterns are compiled, and kept, at their first use.

# C0, DEL and C1 drive terminals; the bidirectional marks, embeddings, overrides and isolates
# change the order in which a line is read; line and paragraph separators break it; lone
# surrogates cannot be printed at all. What has no width of its own (Unicode's default ignorables:
# soft hyphens, fillers, invisible operators, variations, tags) hides between letters; the two
# joiners do so too, but for scripts that are not written without them.
_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<![\u0600-\u0dff])[\u200c\u200d]"
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(text: object) -> str:
    r"""Return the text with all that could drive or mislead a terminal shown as ``\xNN``.

    :param text: any text, from a server or a file; of anything else what ``str`` makes of it
    :returns: the same text with control characters, changes of direction, line separators, lone
        surrogates and what has no width replaced by their escapes
    """
    if not isinstance(text, str):
        text = str(text)
    return text if text.isascii() and text.isprintable() else re.sub(_UNSAFE, _escape, text)


# Text without blank or quote. Only ASCII blanks: a byte of a letter can look like another one.
_RUN = "[^ \\t\\r\\n\\f\\v'\"]+"
# What comes before user and password of a URL: slashes, as JSON and queries may write them too.
_SLASHES = r"//|\\/\\/|%2[Ff]%2[Ff]"
# What comes after them, in queries and markup too.
_AT = ("@", "%40", "&#64;", "&#x40;")


def without_secrets(text: str) -> str:
    """Return the text with user and password, or key, of each URL in it left out.

    Keys hold slashes and whatever else: what is left out reaches from the slashes of the URL to
    the last ``@`` before a blank or a quote.

    :param text: any text, from a server or a file
    """
    return re.sub(_RUN, _mask, text) if any(at in text for at in _AT) else text


def _mask(match: re.Match[str]) -> str:
    run = match.group()
    begin = re.search(_SLASHES, run)
    end = max(map(run.rfind, _AT))
    return f"{run[: begin.end()]}***{run[end:]}" if begin and begin.end() <= end else run


def one_line(text: object, most: int | None = None) -> str:
    """Return what another program says as a part of a line: printable, without secrets.

    :param text: its words, or an error
    :param most: how many characters are enough
    """
    return printable(without_secrets(" ".join(str(text).split())))[:most]


_UUID = "[0-9A-Fa-f]{32}"


def is_uuid(text: str) -> bool:
    """Tell whether the text is a UUID as OpenStack services write it, hyphens or none."""
    return re.fullmatch(_UUID, text.replace("-", "")) is not None


def is_text(text: str) -> bool:
    """Tell whether a text can be sent: what came as undecodable bytes cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


def human_size(size: Any) -> Any:
    """Return bytes with a unit, powers of 1024; what is no number stays as it is."""
    if not isinstance(size, int) or isinstance(size, bool):
        return size
    power = min((abs(size).bit_length() - 1) // 10, len(_UNITS) - 1) if size else 0
    if power == 0:
        return f"{size} B"
    # Whole numbers: an absurd one is too large for a float.
    tenths = (abs(size) * 20 // 1024**power + 1) // 2
    if tenths == 10240 and power < len(_UNITS) - 1:
        tenths, power = 10, power + 1
    return f"{'-' if size < 0 else ''}{tenths // 10}.{tenths % 10} {_UNITS[power]}"
