"""The canonical form of a condition id, the same for every source."""

import re

from actors.errors import PayloadRejected
from actors.model.trade import ConditionId

_full = re.compile(r"0x[0-9a-fA-F]{64}").fullmatch
_bare = re.compile(r"0x[0-9a-fA-F]{62}").fullmatch


def condition(text: str) -> ConditionId:
    """Return a condition id as `0x` and 64 hexadecimal digits in lower case.

    The ids of V2 markets have 31 bytes. Gamma spells them bare (62 digits), the feed and the Data
    API add a zero byte, and so do we.

    Raises:
        PayloadRejected: The text is no condition id.
    """
    if _full(text):
        return ConditionId(text.lower())
    if _bare(text):
        return ConditionId(f"{text.lower()}00")
    raise PayloadRejected("condition is malformed")
