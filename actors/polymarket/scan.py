"""JSON seen as brackets and strings only: enough to take a damaged array apart.

A parser gives up at the first wrong byte and takes every event of the array
with it. This walk needs no more than strings that end and brackets that close,
is linear, and never recurses.
"""

import re
from collections.abc import Iterator
from typing import Final

# A string that does not end runs to the end of the bytes instead of failing: a
# failure would be tried again at every quote behind it.
_structure: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_SPACE: Final = b" \t\r\n"


def depth(raw: bytes) -> int:
    """Give how deeply brackets are nested."""
    deepest = level = 0
    for found in _structure.finditer(raw):
        mark = found[0]
        if mark in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif mark in b"]}":
            level -= 1
    return deepest


def elements(array: bytes) -> Iterator[bytes]:
    """Give the bytes of each element of an array that begins with `[`, in order.

    Empty elements are left out; what stands behind the last comma of an array
    that never closes, or behind its closing bracket, is an element too.
    """
    level, start = 0, 1
    for found in _structure.finditer(array):
        mark = found[0]
        if mark in b"[{":
            level += 1
        elif mark in b"]}":
            level -= 1
        if (level == 1 and mark == b",") or level == 0:
            yield from _kept(array[start : found.start()])
            start = found.end()
        if level == 0:
            break
    yield from _kept(array[start:])


def _kept(element: bytes) -> Iterator[bytes]:
    element = element.strip(_SPACE)
    if element:
        yield element
