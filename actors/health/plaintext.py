"""Plain text: what came from outside, harmless on a terminal."""

import re

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Keep what came from outside from driving the terminal; one character stays one."""
    return _UNPRINTABLE.sub("?", text)
