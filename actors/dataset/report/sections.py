"""The tables of a report, as HTML; all texts of strangers in them are made harmless. Pure."""

from collections.abc import Iterator
from typing import Final

from actors.dataset.report import plots
from actors.dataset.report.coverage import Outage, Time, outages
from actors.dataset.report.markup import columns, legend, paragraph, plot, table
from actors.dataset.report.palette import CAUSES, cause_name
from actors.dataset.report.text import (
    NONE,
    clock,
    count,
    counted,
    lasting,
    moment,
    named,
    share,
    told,
)
from actors.dataset.report.values import Conflict, Contents, Label, Market, Said

MOST_ROWS: Final = 25
"""Rows of a table; what is left is counted."""
MOST_CONFLICTS: Final = 20
_PAYLOAD: Final = 300


def _cause(cause: str) -> str:
    return f'<span class="swatch {cause_name(cause)}">{told(cause, 40)}</span>'


def _name(contents: Contents, condition_id: str) -> str:
    name = contents.names.get(condition_id)
    return told(name.question, 160) if name else f"<code>{told(condition_id, 70)}</code>"


# --------------------------------------------------------------------------- gaps


def gaps(contents: Contents, time: Time) -> Iterator[str]:
    """Yield the gaps: sums by cause, and those that began together as one."""
    found = outages(contents.coverage.stretches)
    if not found:
        known = "Nothing that was wanted was missed." if time.wanted else "Nothing was wanted."
        yield paragraph(known)
        return
    if contents.coverage.cut:
        yield paragraph(
            '<span class="bad">There are more gaps than a report reads; it has the first.</span>'
        )
    worst = sorted(time.missed, key=lambda cause: (-time.missed[cause], cause))
    yield table(
        columns(
            "Cause",
            "Meaning|text",
            "Events|n",
            "Gaps|n",
            "Longest|n",
            "Missed, all tokens|n",
            "Of the wanted time|n",
        ),
        (_of_cause(cause, found, time) for cause in worst),
    )
    yield "<h3>The largest</h3>"
    yield table(
        columns(
            "From", "To", "Cause", "Gaps|n", "Longest|n", "Missed, all tokens|n", "Markets|text"
        ),
        (_outage(contents, each) for each in found[:MOST_ROWS]),
        len(found) - MOST_ROWS,
    )


def _of_cause(cause: str, found: list[Outage], time: Time) -> tuple[str, ...]:
    some = [each for each in found if each.cause == cause]
    missed = time.missed[cause]
    return (
        _cause(cause),
        CAUSES.get(cause, NONE),  # type: ignore[call-overload]
        count(len(some)),
        count(sum(each.tokens for each in some)),
        lasting(max(each.longest for each in some)),
        lasting(missed),
        share(missed, time.wanted),
    )


def _outage(contents: Contents, each: Outage) -> tuple[str, ...]:
    first = min(each.markets, key=lambda name: (name not in contents.names, name))
    others = len(each.markets) - 1
    return (
        clock(each.start, *contents.span),
        clock(each.end, *contents.span),
        _cause(each.cause),
        count(each.tokens),
        lasting(each.longest),
        lasting(each.lost),
        _name(contents, first) + (f" and {count(others)} more" if others else ""),
    )


# ------------------------------------------------------------------------- labels


def labels(contents: Contents) -> Iterator[str]:
    """Yield what was recorded and how late, and what should be and is not."""
    found = contents.labels
    if found.total:
        splits = sum(each.number for each in found.counts if each.kind == "split")
        half, most, nearly_all, longest = (lasting(each) for each in found.late_s)
        yield paragraph(
            f"{counted(found.total, 'label')} recorded, {count(splits)} of them splits.",
            f"From resolution to record: half within {half}, 90 % within {most}, 99 % within"
            f" {nearly_all}, all within {longest}.",
        )
        yield plot(plots.lateness(found, "Bars of labels by the time from resolution to record"))
        if splits:
            yield legend((("accent", "winner"), ("second", "split")))
        yield table(
            columns("Recorded", "Market|text", "Winner", "Resolved", "Later|n", "Sources"),
            (_label(contents, each) for each in found.last),
            found.total - len(found.last),
        )
    else:
        yield paragraph("No label was recorded in this time.")
    yield "<h3>Markets that should have a label and have none, as of now</h3>"
    if not contents.waiting:
        yield paragraph("None.")
        return
    yield table(
        columns("State", "Markets|n", "The oldest ended"),
        (
            (told(each.state, 40), count(each.number), moment(each.oldest))
            for each in contents.waiting
        ),
    )
    yield table(
        columns("Ended", "Market|text", "State", "What sources said last|text"),
        (
            (
                moment(each.ended_at),
                _name(contents, each.condition_id),
                told(each.state, 40),
                told(each.reason, 300),
            )
            for each in contents.overdue
        ),
        sum(each.number for each in contents.waiting) - len(contents.overdue),
    )


def _label(contents: Contents, each: Label) -> tuple[str, ...]:
    return (
        clock(each.recorded_at, *contents.span),
        _name(contents, each.condition_id),
        "split" if each.kind == "split" else told(each.winner, 24),
        clock(each.resolved_at, *contents.span),
        lasting((each.recorded_at - each.resolved_at).total_seconds()),
        told(", ".join(each.sources), 60),
    )


# ----------------------------------------------------------------- contradictions


def conflicts(contents: Contents) -> Iterator[str]:
    """Yield each contradiction with what either side said."""
    if not contents.conflicts:
        yield paragraph("None was open in this time.")
        return
    for each in contents.conflicts[:MOST_CONFLICTS]:
        yield from _conflict(contents, each)
    left = len(contents.conflicts) - MOST_CONFLICTS
    if left > 0:
        yield paragraph(f"and {left:,} more")


def _conflict(contents: Contents, each: Conflict) -> Iterator[str]:
    ended = f"ended {moment(each.cleared_at)}: {told(each.cleared_by, 200)}"
    state = ended if each.cleared_at else '<span class="bad">open</span>'
    what = "names of the tokens" if each.kind == "mapping" else "the outcome"
    first = "Recorded" if each.label_recorded_at else "Another source says"
    yield f"<h3>{_name(contents, each.condition_id)}</h3>"
    yield paragraph(f"About {what}, seen {moment(each.detected_at)}, {state}.")
    yield paragraph(
        f"{first}: <b>{_words(contents, each.recorded)}</b>.",
        f"{told(each.source, 24)} says: <b>{_words(contents, each.observed)}</b>.",
    )
    if each.evidence:
        yield said(contents, each.evidence)


def _words(contents: Contents, said: str) -> str:
    return told(named(said, contents.outcomes), 120)


def said(contents: Contents, evidence: tuple[Said, ...]) -> str:
    """Return what sources said, with the beginning of their answers."""
    return table(
        columns("Source", "At", "Said|text", "Why not final|text", "Its answer|text"),
        (
            (
                told(each.source, 24),
                moment(each.at),
                _words(contents, each.what),
                told(each.reason, 120),
                f"<code>{told(each.payload, _PAYLOAD)}</code>",
            )
            for each in evidence
        ),
    )


# ------------------------------------------------------- messages and connections


def rejected(contents: Contents) -> Iterator[str]:
    """Yield what was received and not used."""
    found = contents.rejected
    if not found:
        yield paragraph("None.")
        return
    yield paragraph(
        "What may be a trade puts its token in doubt until a later version understands it. Of all"
        " else (drift: events that this version does not know or use) samples are kept."
    )
    yield table(
        columns(
            "Reason|text",
            "May be a trade",
            "Messages|n",
            "Taken in later|n",
            "First",
            "Last",
            "The first one|text",
        ),
        (
            (
                told(each.reason, 120),
                "yes" if each.doubtful else "no",
                count(each.messages),
                count(each.taken_in),
                clock(each.first, *contents.span),
                clock(each.last, *contents.span),
                f"<code>{told(each.sample, _PAYLOAD)}</code>",
            )
            for each in found[:MOST_ROWS]
        ),
        len(found) - MOST_ROWS,
    )


def connections(contents: Contents) -> Iterator[str]:
    """Yield what happened to connections, by kind and reason."""
    if not contents.events:
        yield paragraph("No event is stored of this time; they are kept for 90 days.")
        return
    yield table(
        columns("Event", "Reason|text", "Times|n", "Connections|n", "Last"),
        (
            (
                told(each.event, 24),
                told(each.reason, 120),
                count(each.times),
                count(each.connections),
                clock(each.last, *contents.span),
            )
            for each in contents.events[:MOST_ROWS]
        ),
        len(contents.events) - MOST_ROWS,
    )


# ----------------------------------------------------------------------- a market


def about(market: Market) -> Iterator[str]:
    """Yield sentences about the market that a report is about."""
    yield f"<code>{told(market.name.slug, 120)}</code> <code>{told(market.condition_id, 70)}</code>"
    if market.event:
        yield f"Event: {told(market.event, 160)}."
    yield f"First seen {moment(market.first_seen_at)}, planned end {moment(market.end_date)}."
    if market.description:
        yield told(market.description, 600)


def evidence(contents: Contents, market: Market) -> Iterator[str]:
    """Yield the label of a market and what its sources said."""
    found = market.resolution
    if found is None:
        waiting = [each for each in contents.overdue if each.condition_id == market.condition_id]
        yield paragraph(
            "No label is recorded.", *(f"{told(each.reason, 300)}." for each in waiting)
        )
    else:
        yield paragraph(
            f"Resolved {moment(found.resolved_at)}, recorded {moment(found.recorded_at)};"
            f" agreed by {told(', '.join(found.sources), 60)}."
        )
    yield table(
        columns("Outcome|text", "Pays, USDC a share|n", "Token|text"),
        (
            (
                told(each.outcome, 60),
                NONE if each.payout is None else f"{each.payout:f}",
                f"<code>{told(each.token_id, 80)}</code>",
            )
            for each in market.tokens
        ),
    )
    if contents.said:
        yield "<h3>What each source said last, and the steps of the market</h3>"
        yield said(contents, contents.said)
