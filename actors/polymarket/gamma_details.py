"""What Gamma tells of a market for readers of the data: its event, its group, its rules.

Recorded answers of 2020-2026 show each of these fields. Any may be missing, and none can reject a
market: one that cannot be read is None, and named. Some times have the form of `closedTime`.
Here, too, are the readers of single fields that the rest of the object needs.
"""

import re
from datetime import datetime
from decimal import Decimal, DecimalException
from typing import Any, Final

import msgspec

from actors.errors import PayloadRejected
from actors.model.conversion import storable_text
from actors.model.market import Details, Event
from actors.polymarket import strict_json

ABSENT: Final = msgspec.Raw(b"null")
FLAGS: Final = {b"true": True, b"false": False}
MAX_DESCRIPTION: Final = 100_000
"""Characters; recorded ones have up to 1,900."""
MAX_FEE_SCHEDULE: Final = 2_000
"""Characters; the recorded one has 65."""
_LOOSE_FLAGS = {"true": True, "false": False, "1": True, "0": False}
_hex_id = re.compile(r"0x[0-9a-f]{1,64}").fullmatch
_decimal = msgspec.json.Decoder(Decimal)
_object = msgspec.json.Decoder(dict[str, Any])
_SMALLEST_TICK = Decimal("1e-12")
_MOST_TICK_DIGITS, _MOST_TICK_DECIMALS = 30, 18


class _EventAnswer(msgspec.Struct, rename="camel", frozen=True):
    id: msgspec.Raw = ABSENT
    slug: msgspec.Raw = ABSENT
    title: msgspec.Raw = ABSENT
    series_slug: msgspec.Raw = ABSENT
    neg_risk: msgspec.Raw = ABSENT
    neg_risk_augmented: msgspec.Raw = ABSENT
    neg_risk_market_id: msgspec.Raw = msgspec.field(default=ABSENT, name="negRiskMarketID")
    start_time: msgspec.Raw = ABSENT
    end_date: msgspec.Raw = ABSENT


_events = msgspec.json.Decoder(list[_EventAnswer])


class DetailFields(msgspec.Struct, rename="camel", frozen=True):
    """The fields of a market that are read here, as they were sent."""

    events: msgspec.Raw = ABSENT
    neg_risk_market_id: msgspec.Raw = msgspec.field(default=ABSENT, name="negRiskMarketID")
    group_item_title: msgspec.Raw = ABSENT
    game_start_time: msgspec.Raw = ABSENT
    closed_time: msgspec.Raw = ABSENT
    order_price_min_tick_size: msgspec.Raw = ABSENT
    fee_schedule: msgspec.Raw = ABSENT
    description: msgspec.Raw = ABSENT


def read_details(found: DetailFields, drift: list[str]) -> Details:
    """Return what is told; what cannot be read is None and named in `drift`."""
    return Details(
        event=_event(found.events, drift),
        neg_risk_market_id=_group_id(found.neg_risk_market_id, "negRiskMarketID", drift),
        group_title=text(found.group_item_title, "groupItemTitle", drift) or None,
        game_start=moment(found.game_start_time, "gameStartTime", drift),
        closed_time=moment(found.closed_time, "closedTime", drift),
        tick_size=_tick_size(found.order_price_min_tick_size, drift),
        fee_schedule=_fee_schedule(found.fee_schedule, drift),
        description=text(found.description, "description", drift, longest=MAX_DESCRIPTION) or None,
    )


def _event(raw: msgspec.Raw, drift: list[str]) -> Event | None:
    """Return the event with the lowest id, as the order of the list may change.

    None of the markets that were recorded had more than one.
    """
    if not is_present(raw):
        return None
    try:
        listed = strict_json.read(bytes(raw), _events)
    except PayloadRejected:
        drift.append("events")
        return None
    if not listed:
        return None
    first = min(listed, key=lambda each: (len(bytes(each.id)), bytes(each.id)))
    faults: list[str] = []
    event_id = gamma_id(first.id, faults)
    event = event_id and Event(
        event_id=event_id,
        slug=text(first.slug, "slug", faults) or None,
        title=text(first.title, "title", faults) or None,
        series_slug=text(first.series_slug, "seriesSlug", faults) or None,
        neg_risk=flag(first.neg_risk, "negRisk", faults),
        neg_risk_augmented=flag(first.neg_risk_augmented, "negRiskAugmented", faults),
        neg_risk_market_id=_group_id(first.neg_risk_market_id, "negRiskMarketID", faults),
        starts_at=moment(first.start_time, "startTime", faults),
        end_at=moment(first.end_date, "endDate", faults),
    )
    if not event and not faults:
        faults.append("id")
    drift += [f"events.{name}" for name in faults]
    return event or None


def _group_id(raw: msgspec.Raw, name: str, drift: list[str]) -> str | None:
    found = text(raw, name, drift).lower()
    if found and not _hex_id(found):
        _note(name, drift)
        return None
    return found or None


def _tick_size(raw: msgspec.Raw, drift: list[str]) -> Decimal | None:
    """Return a step above 0 and below 1; 0 stands for none."""
    if not is_present(raw):
        return None
    try:
        size = strict_json.read(bytes(raw), _decimal)
    except (PayloadRejected, DecimalException):
        size = Decimal("NaN")
    if size == 0:
        return None
    is_step = size.is_finite() and _SMALLEST_TICK <= size < 1
    is_short = is_step and len(size.as_tuple().digits) <= _MOST_TICK_DIGITS
    if not is_short or size != round(size, _MOST_TICK_DECIMALS):
        drift.append("orderPriceMinTickSize")
        return None
    return size


def _fee_schedule(raw: msgspec.Raw, drift: list[str]) -> str | None:
    """Return the object as JSON with its keys in order, so that the same one is the same text."""
    if not is_present(raw):
        return None
    try:
        found = msgspec.json.encode(strict_json.read(bytes(raw), _object), order="sorted").decode()
    except PayloadRejected:
        found = ""
    # A NUL is the one character that jsonb cannot hold.
    if not found or len(found) > MAX_FEE_SCHEDULE or "\\u0000" in found:
        drift.append("feeSchedule")
        return None
    return storable_text(found)


# ---------------------------------------------------------------- single fields


def is_present(raw: msgspec.Raw) -> bool:
    """Return whether there is a value."""
    return bytes(raw) != b"null"


def text(
    raw: msgspec.Raw, name: str, drift: list[str], *, longest: int = strict_json.MAX_TEXT_CHARS
) -> str:
    """Return a text, cut if it is too long; of anything else an empty one. Both are named."""
    found = strict_json.text(raw)
    if len(found) > longest or (not found and is_present(raw) and bytes(raw) != b'""'):
        drift.append(name)
    return found[:longest]


def gamma_id(raw: msgspec.Raw, drift: list[str]) -> str | None:
    """Return the number that Gamma gave to something; one that is too long is named in `drift`."""
    # A number means the same as its text.
    found = bytes(raw).decode() if bytes(raw).isdigit() else text(raw, "id", drift)
    if found and not strict_json.is_id(found):
        _note("id", drift)
        return None
    return found or None


def _note(name: str, drift: list[str]) -> None:
    """Name a field once, though it may be too long as a text and wrong as what it should be."""
    if name not in drift:
        drift.append(name)


def flag(raw: msgspec.Raw, name: str, drift: list[str]) -> bool | None:
    """Return a truth value; one in another spelling is named in `drift`."""
    if not is_present(raw):
        return None
    if (native := FLAGS.get(bytes(raw))) is not None:
        return native
    drift.append(name)
    return _LOOSE_FLAGS.get((strict_json.text(raw) or bytes(raw).decode(errors="replace")).lower())


def moment(raw: msgspec.Raw, name: str, drift: list[str]) -> datetime | None:
    """Return a time (aware UTC); of anything else None, named in `drift`."""
    at = strict_json.moment(raw)
    if at is None and is_present(raw) and bytes(raw) != b'""':
        drift.append(name)
    return at
