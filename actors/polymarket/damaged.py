"""Taking apart JSON that a parser rejects as a whole, so that one bad value hides no other.

Only strings, brackets, commas and colons are looked at, so whatever stands in a value (half of an
emoji, a raw tab, NaN, bytes that are no UTF-8) stays within it. Linear time, no recursion.
"""

import re

from actors.errors import PayloadRejected

_SPACE = b" \t\r\n"
_token = re.compile(rb'"(?:[^"\\]|\\.)*+"|["\[\]{},:]', re.DOTALL)
_CLOSER = {b"[": b"]", b"{": b"}"}
_CLOSERS = frozenset(_CLOSER.values())


def parts(raw: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return (key in quotes, value) of each member of an object, or (empty, element) of an array.

    Keys and values are verbatim and not checked.

    Raises:
        PayloadRejected: `not JSON`: neither of the two, not closed, or brackets that do not match.
    """
    raw = raw.strip(_SPACE)
    if raw[:1] not in _CLOSER:
        raise PayloadRejected("not JSON")
    found: list[tuple[bytes, bytes]] = []
    open_: list[bytes] = []
    start, colon = 1, -1
    for match in _token.finditer(raw):
        token, at = match[0], match.start()
        if token in _CLOSER:
            open_.append(_CLOSER[token])
        elif token == b'"' or (token in _CLOSERS and (not open_ or open_.pop() != token)):
            break  # a string without end, or the wrong bracket
        if len(open_) == 1 and token == b":" and colon < 0 and raw[:1] == b"{":
            colon = at
        elif (len(open_) == 1 and token == b",") or not open_:
            _add(found, raw[start:at], colon - start)
            start, colon = at + 1, -1
        if not open_:
            if at + 1 < len(raw):
                break
            return tuple(found)
    raise PayloadRejected("not JSON")


def _add(found: list[tuple[bytes, bytes]], member: bytes, colon: int) -> None:
    if colon >= 0:
        found.append((member[:colon].strip(_SPACE), member[colon + 1 :].strip(_SPACE)))
    elif member := member.strip(_SPACE):
        found.append((b"", member))
