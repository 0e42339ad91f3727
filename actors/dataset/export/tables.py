"""The files beside the trades: markets, labels, events, coverage, gaps; a page at a time."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from actors.database import queries
from actors.dataset import schemas
from actors.dataset.export.parquet import ParquetFile
from actors.dataset.export.release import HashedFile
from actors.dataset.export.source import Row, Source
from actors.dataset.manifest import Conflicts, FileEntry, Labels

PAGE: Final = 500
"""Markets that are asked about at once."""
STORED_LATE: Final = "stored_late"
"""Cause of time that was listened to and not known to be so at the time of the release."""
MARGIN: Final = timedelta(hours=1)
"""So far beyond its days a release tells what was listened to, for trades near their edges."""
RESOLVED, OPEN = "resolved", "open"
_TIMES: Final = frozenset({"end_date", "started_at", "game_start", "closed_time"})

Changes = list[tuple[datetime, str]]
Known = dict[str, msgspec.Raw]

_decode_changes = msgspec.json.Decoder(Known).decode


class Span(NamedTuple):
    """What the tables are about.

    Attributes:
        from_at: Beginning of the first day.
        to_at: End of the last one.
        as_of: Nothing that was known later; None: all.
    """

    from_at: datetime
    to_at: datetime
    as_of: datetime | None

    @property
    def heard_until(self) -> datetime:
        """Return until when coverage is told."""
        end = self.to_at + MARGIN
        return min(end, self.as_of) if self.as_of else end

    @property
    def seen_until(self) -> datetime:
        """Return until when gaps are told."""
        return min(self.to_at, self.as_of) if self.as_of else self.to_at


class Tables:
    """Writes the files.

    Args:
        source: The database, within a snapshot.
        span: What they are about.
        new_file: Returns the file of a name.
        on_time: Told of each time that was listened to (True) or missed, its beginning and end.

    Attributes:
        entries: Of the files, by their name, when it is done.
        labels: Markets by what is known of their outcome.
        conflicts: Contradictions by kind.
    """

    def __init__(
        self,
        source: Source,
        span: Span,
        new_file: Callable[[str], HashedFile],
        on_time: Callable[[bool, datetime, datetime], None],
    ) -> None:
        self._source, self._span, self._on_time = source, span, on_time
        self._files = {
            name: ParquetFile(new_file(name), schema) for name, schema in schemas.TABLES.items()
        }
        self._events: set[str] = set()
        self._kinds: Counter[str] = Counter()
        self._states: Counter[str] = Counter()
        self._conflicts: Counter[tuple[str, bool]] = Counter()
        self.entries: dict[str, FileEntry] = {}

    @property
    def labels(self) -> Labels:
        """Return how many markets have which outcome."""
        kinds = {kind: self._kinds[kind] for kind in ("winner", "split", "contested")}
        return Labels(**kinds, unresolved=dict(sorted(self._states.items())))

    @property
    def conflicts(self) -> dict[str, Conflicts]:
        """Return how many contradictions there are."""
        return {
            kind: Conflicts(open=self._conflicts[kind, True], cleared=self._conflicts[kind, False])
            for kind in ("outcome", "mapping")
        }

    def write(
        self, conditions: Sequence[str] | None, late: Sequence[str], on_page: Callable[[int], None]
    ) -> None:
        """Write all of them.

        Args:
            conditions: These markets alone; None: all.
            late: Markets that are written, too, whenever they were resolved or listed; sorted.
            on_page: Told how many markets have been written more.
        """
        with ExitStack() as stack:
            for file in self._files.values():
                stack.callback(file.abandon)
            after = ""
            while page := self._page(after, conditions, late):
                self._write_page(page)
                on_page(len(page))
                after = page[-1]
            self._write_events()
            self.entries = {name: file.finish() for name, file in self._files.items()}

    def _page(self, after: str, conditions: Sequence[str] | None, late: Sequence[str]) -> list[str]:
        found = self._rows(
            queries.SELECT_DATASET_MARKETS,
            after=after,
            from_at=self._span.from_at,
            to_at=self._span.to_at,
            conditions=list(conditions) if conditions is not None else None,
            late=list(late[(first := bisect_right(late, after)) : first + PAGE]),
            most=PAGE,
        )
        return [condition_id for (condition_id,) in found]

    def _write_page(self, conditions: list[str]) -> None:
        contradictions = self._contradictions(conditions)
        resolved = self._write_labels(conditions, contradictions)
        states: dict[str, str] = dict(
            self._rows(queries.SELECT_DATASET_STATES, conditions=conditions)
        )
        tokens: dict[str, list[dict[str, Any]]] = {each: [] for each in conditions}
        for condition_id, *told in self._rows(queries.SELECT_DATASET_ASSETS, conditions=conditions):
            tokens[condition_id].append(
                dict(zip(("token_id", "outcome", "outcome_index"), told, strict=True))
            )
        history: dict[str, Changes] = {each: [] for each in conditions}
        for condition_id, *change in self._rows(
            queries.SELECT_DATASET_HISTORY, conditions=conditions
        ):
            history[condition_id].append((change[0], change[1]))
        for condition_id in conditions:
            state = RESOLVED if condition_id in resolved else states.get(condition_id, OPEN)
            if state != RESOLVED:
                self._states[state] += 1
            changes = history[condition_id]
            known = folded(changes)
            if event_id := value("event_id", known):
                self._events.add(event_id)
            self._files["markets.parquet"].add(
                _market(condition_id, known, state, tokens[condition_id], changes)
            )
        self._write_listening([each["token_id"] for some in tokens.values() for each in some])

    def _contradictions(self, conditions: list[str]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for condition_id, kind, from_at, until_at in self._rows(
            queries.SELECT_DATASET_CONFLICTS, conditions=conditions
        ):
            one = {"kind": kind, "from_at": from_at, "until_at": until_at}
            found.setdefault(condition_id, []).append(one)
            self._conflicts[kind, until_at is None] += 1
        return found

    def _write_labels(
        self, conditions: list[str], contradictions: dict[str, list[dict[str, Any]]]
    ) -> set[str]:
        """Write the labels of these markets; return which of them have one."""
        kinds: dict[str, str] = {}
        for row in self._rows(queries.SELECT_DATASET_LABELS, conditions=conditions):
            *told, sources = row
            _, condition_id, _, _, kind, _, _, contested = told
            some = contradictions.get(condition_id, [])
            self._files["labels.parquet"].add((*told, some, sources))
            if condition_id not in kinds and contested:
                self._kinds["contested"] += 1
            kinds[condition_id] = kind
        self._kinds.update(kinds.values())
        return set(kinds)

    def _write_listening(self, tokens: list[str]) -> None:
        """Write when these tokens were listened to, and missed."""
        span = self._span
        times = {"from_at": span.from_at, "to_at": span.seen_until}
        if span.seen_until <= span.from_at:
            return
        late: list[Row] = []
        wide = {"from_at": span.from_at - MARGIN, "to_at": span.heard_until}
        for row in self._source.rows(queries.SELECT_DATASET_COVERAGE, tokens=tokens, **wide):
            if span.as_of is not None and row[3] > span.as_of:
                late.append((row[0], max(row[1], span.from_at), row[2], STORED_LATE))
                continue
            self._files["coverage.parquet"].add(row)
            self._on_time(True, row[1], row[2])
        gaps = self._source.rows(queries.SELECT_DATASET_GAPS, tokens=tokens, **times)
        for row in sorted((*gaps, *late), key=lambda row: row[:2]):
            if row[1] >= row[2]:
                continue  # all of it is before the days
            self._files["gaps.parquet"].add(row)
            self._on_time(False, row[1], row[2])

    def _write_events(self) -> None:
        names = sorted(self._events)
        for first in range(0, len(names), PAGE):
            some = names[first : first + PAGE]
            for row in self._rows(queries.SELECT_DATASET_EVENTS, events=some):
                self._files["events.parquet"].add(row)

    def _rows(self, query: bytes, **given: object) -> list[Row]:
        return self._source.rows(query, as_of=self._span.as_of, **given)


def folded(changes: Iterable[tuple[datetime, str]]) -> Known:
    """Return what is known of a market after these changes, oldest first, as JSON by column."""
    known: Known = {}
    for _, text in changes:
        known.update(_decode_changes(text))
    return known


def value(name: str, known: Known) -> Any:
    """Return what is known of one column, as a release has it; None: nothing."""
    raw = bytes(known.get(name, b"null"))
    if raw == b"null":
        return None
    if name == "tick_size":
        return Decimal(raw.decode())
    if name == "fee_schedule":
        return raw.decode()
    found = msgspec.json.decode(raw)
    return datetime.fromisoformat(found).astimezone(UTC) if name in _TIMES else found


def _market(
    condition_id: str,
    known: Known,
    state: str,
    tokens: list[dict[str, Any]],
    changes: Changes,
) -> tuple[Any, ...]:
    given = {
        "condition_id": condition_id,
        "state": state,
        "tokens": tokens,
        "first_known_at": changes[0][0] if changes else None,
        "history": [{"known_at": at, "changes": text} for at, text in changes],
    }
    return tuple(
        given[name] if name in given else value(name, known) for name in schemas.MARKETS.names
    )
