"""Identical trades beyond what an occurrence can count: set aside, verbatim.

The k-th of trades that are alike in every field has the occurrence k, for which the database has
two bytes. So many of them are a fault of the exchange. Whatever they are, the trades of other
tokens are stored, and for this token no more is claimed than is stored.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, compress
from typing import Final

import msgspec

from actors.model.trade import Rejection
from actors.polymarket.channel import Decoded, Doubt, decode
from actors.polymarket.events import elements
from actors.polymarket.fields import LATEST_MS

MOST_ALIKE: Final = 32_767
TOO_MANY: Final = "too many identical trades"
"""Why trades with a larger occurrence are rejected."""
_SPACE: Final = b" \t\r\n"


def set_aside(decoded: Decoded, numbers: Sequence[int]) -> Decoded:
    """Return what frames hold without the trades whose number is too large.

    These are rejections instead, behind all others and with their numbers; each may be a trade.

    Args:
        decoded: The frames.
        numbers: The occurrence of each of their trades; 0 for one that another connection records.
    """
    if max(numbers, default=0) <= MOST_ALIKE:
        return decoded
    within = [number <= MOST_ALIKE for number in numbers]
    before = [0, *accumulate(within)]
    events = list(_events(decoded))
    excess = [place for place, is_within in enumerate(within) if not is_within]
    doubts = [Doubt(before[place], token) for place, token in decoded.doubts]
    doubts += [Doubt(before[place], decoded.trades[place].token_id) for place in excess]
    rejections = [
        Rejection(
            reason=TOO_MANY,
            payload=events[place][1],
            received_at_ns=decoded.trades[place].received_at_ns,
            occurrence=numbers[place],
        )
        for place in excess
    ]
    return msgspec.structs.replace(
        decoded,
        trades=tuple(compress(decoded.trades, within)),
        rejections=(*decoded.rejections, *rejections),
        rejected_after=(
            *[before[place] for place in decoded.rejected_after],
            *[before[place] for place in excess],
        ),
        rejected_in=(*decoded.rejected_in, *[events[place][0] for place in excess]),
        kinds=(*decoded.kinds, *[""] * len(excess)),
        doubts=tuple(sorted(doubts, key=lambda doubt: doubt.trades_before)),
    )


def _events(decoded: Decoded) -> Iterator[tuple[int, bytes]]:
    """Yield the bytes of the event of each trade, behind the place of its frame in `kept`."""
    told = ((place, each) for place, raw in enumerate(decoded.kept) for each in _told_in(raw))
    for trade in decoded.trades:
        # In their order; what else the frames hold is passed over.
        yield next(
            (
                found
                for found in told
                if trade in decode(found[1:], trade.received_at_ns, LATEST_MS).trades
            ),
            (0, b""),  # so that nothing can ever raise here
        )


def _told_in(raw: bytes) -> Iterator[bytes]:
    body = raw.strip(_SPACE)
    yield from elements(body) if body.startswith(b"[") else (body,)
