"""Contents of reports, as if they had been read from a database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from actors.dataset.report.values import (
    Bin,
    Candle,
    Conflict,
    Contents,
    Coverage,
    Event,
    Label,
    LabelCount,
    Labels,
    Market,
    Name,
    Overdue,
    Path,
    Rejected,
    Said,
    Span,
    Stretch,
    Token,
    Traded,
    Trades,
    Waiting,
)

DAY = datetime(2026, 3, 1, tzinfo=UTC)
SPAN = Span(DAY, DAY + timedelta(days=1))
ONE, OTHER = "0x01", "0x02"
YES, NO = "7" * 77, "8" * 77


def hour(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def stretch(
    start: float, end: float, cause: str = "", market: str = ONE, token: str = YES
) -> Stretch:
    return Stretch(market, token, hour(start), hour(end), cause)


GAPS = (
    stretch(0, 9),
    stretch(9, 9.5, "process_down"),
    stretch(9.5, 24),
    stretch(0, 9, market=OTHER, token=NO),
    stretch(9, 9.25, "process_down", market=OTHER, token=NO),
    stretch(9.25, 20, market=OTHER, token=NO),
)
LABEL = Label(ONE, "winner", "Yes", hour(12), hour(13), ("clob", "gamma"))
SAID = (
    Said("clob", hour(13), f"winner {YES}", "", '{"closed": true}'),
    Said("data", hour(14), f"winner {NO}", "", '{"outcome": "No"}'),
)
CONFLICT = Conflict(
    ONE, "outcome", "data", hour(14), f"winner {YES}", f"winner {NO}", None, None, hour(13), SAID
)


def candles(*prices: str | None) -> tuple[Candle, ...]:
    """Return candles of five minutes, each with one price."""
    found = []
    for place, price in enumerate(prices):
        one = None if price is None else Decimal(price)
        found.append(Candle(hour(place / 12), one, one, one))
    return tuple(found)


def contents(text: str = "Will it rain?", **changes: Any) -> Contents:
    """Return the contents of a report of a day, with this text wherever strangers chose one."""
    given: dict[str, Any] = {
        "span": SPAN,
        "known_until": None,
        "market": None,
        "trades": Trades(
            (Bin(hour(3), 7, Decimal("12.5")), Bin(hour(4), 2, Decimal(3))),
            (Traded(ONE, YES, 8, Decimal("12.5")), Traded(OTHER, NO, 1, Decimal(3))),
            2,
        ),
        "coverage": Coverage(GAPS, 2),
        "paths": (Path(ONE, YES, text, candles("0.5", None, "0.6", "0.55")),),
        "labels": Labels(
            (LabelCount("winner", 3, 4), LabelCount("split", 6, 1)),
            (60.0, 3_600.0, 7_200.0, 90_000.0),
            (LABEL._replace(winner=text, sources=(text, "gamma")),),
        ),
        "waiting": (Waiting(text, 3, hour(2)),),
        "overdue": (Overdue(OTHER, text, hour(2), text),),
        "conflicts": (
            CONFLICT._replace(
                recorded=text, observed=text, source=text, cleared_at=hour(15), cleared_by=text,
                evidence=(Said(text, hour(1), text, text, text),),
            ),
            CONFLICT,
        ),
        "rejected": (
            Rejected(text, True, 3, 1, hour(1), hour(2), text),
            Rejected("unknown event", False, 5, 0, hour(1), hour(2), text),
        ),
        "events": (Event(text, text, 4, 2, hour(5)),),
        "said": (),
        "names": {ONE: Name(text, text), OTHER: Name(text, text)},
        "outcomes": {YES: text},
    }  # fmt: skip
    return Contents(**given | changes)


def market(text: str = "Will it rain?", **changes: Any) -> Contents:
    """Return the contents of a report of one market."""
    about = Market(
        condition_id=ONE, name=Name(text, text), event=text, description=text, closed=True,
        end_date=hour(12), first_seen_at=hour(-9),
        resolution=LABEL._replace(winner=text, sources=(text,)),
        tokens=(Token(YES, text, Decimal(1)), Token(NO, text, Decimal(0))),
    )  # fmt: skip
    path = Path(ONE, NO, text, candles("0.5", "0.4"))
    given = {"market": about, "said": SAID, "events": (), "labels": Labels(last=(LABEL,))}
    found = contents(text)
    return found._replace(**given | {"paths": (*found.paths, path)} | changes)
