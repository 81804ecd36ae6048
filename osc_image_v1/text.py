"""Text from a server, made safe for a terminal."""

import re

# C0, DEL and C1 drive terminals; the bidirectional marks, embeddings, overrides and isolates
# change the order in which a line is read; line and paragraph separators break it; lone
# surrogates cannot be printed at all, and what has no width hides between letters.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u2060\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def printable(text: str) -> str:
    r"""Return the text with all that could drive or mislead a terminal shown as ``\xNN``.

    :param text: any text, from a server or a file
    :returns: the same text with control characters, changes of direction, line separators and
        lone surrogates replaced by their escapes
    """
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)
