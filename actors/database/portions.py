"""Prints in the order of the table's key, some hundred at a time.

One order for everybody who writes: trackers on one database wait for each other and do
not deadlock.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence

from actors.model.trade import Print

_LAST_MS = 253_402_300_799_999  # the end of the year 9999, the last that can be read back
_ROWS_AT_ONCE = 256  # so that the server works while the next are written
_key = struct.Struct(">QIQ").pack

Keyed = tuple[bytes, Print, int, int]
"""A key, which sorts as (traded_at, asset_key, print_hash) does; print; asset_key; print_hash.

Plain tuples: there is one for each row.
"""

Known = Callable[[KeysView[bytes]], Iterable[bytes]]


def portions(
    rows: Sequence[Print], hashes: Sequence[int], keys: Mapping[str, int], known: Known
) -> Iterator[list[Keyed]]:
    """Give the prints that are not known, sorted by their keys, some hundred at a time.

    So the first are written before the last are looked at. They come nearly in the order
    of their times, so little is moved: what lies apart in memory is slow to read. Of prints
    with the same key the one of the earliest receipt is given.

    Args:
        rows: The prints.
        hashes: The `print_hash` of each.
        keys: The asset_key of each token.
        known: Tells which of these keys need not be given.

    Raises:
        struct.error, OverflowError: A number does not fit.
    """
    times = [row.traded_at_ms for row in rows]
    places = sorted(range(len(rows)), key=times.__getitem__)
    start = 0
    while start < len(places):
        end = _end_of_moment(places, times, start + _ROWS_AT_ONCE)
        some = places[start:end]
        fresh = _keyed([rows[place] for place in some], [hashes[place] for place in some], keys)
        for key in known(fresh.keys()):
            del fresh[key]
        yield [fresh[key] for key in sorted(fresh)]
        start = end


def _end_of_moment(places: Sequence[int], times: Sequence[int], end: int) -> int:
    """Give the first place at or behind this one at which a later time begins."""
    while 0 < end < len(places) and times[places[end]] == times[places[end - 1]]:
        end += 1
    return min(end, len(places))


def _keyed(
    rows: Sequence[Print], hashes: Sequence[int], keys: Mapping[str, int]
) -> dict[bytes, Keyed]:
    found: dict[bytes, Keyed] = {}
    for row, digest in zip(rows, hashes, strict=True):
        at_ms = row.traded_at_ms
        if at_ms > _LAST_MS or row.received_at_ns > _LAST_MS * 1_000_000:
            raise OverflowError("a time behind the year 9999")
        asset = keys[row.token_id]
        key = _key(at_ms, asset, digest + 2**63)
        other = found.get(key)
        if other is None or other[1].received_at_ns > row.received_at_ns:
            found[key] = (key, row, asset, digest)
    return found
