"""Facts may be replayed, overlap, and arrive out of order: the journal's order decides."""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.database.store import Store
from actors.database.upkeep import settlement
from actors.model.facts import (
    Fact,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessAlive,
    ProcessStarted,
    ProcessStopped,
    TokensConfirmed,
    TokensReleased,
    TokensUnwanted,
    TokensWanted,
)
from actors.model.storage import Batch
from actors.model.trade import TokenId
from tests.postgres import ask

# Much simulated time: to measure its coverage would take three times as long.
pytestmark = [pytest.mark.db, pytest.mark.no_cover]

NumberedFact = tuple[int, Fact]
TOKENS = tuple(TokenId(str(number)) for number in (7, 8, 9))
ZERO = datetime(2026, 1, 1, tzinfo=UTC)
REASONS = ("frozen", "deaf", "disconnected")
SEEDS = range(12)

EPOCHS = """select epoch, connection, leg, opened_at, proven_until, closed_at, closed_seq, lost,
      reason from tracker.epochs where journal_key = %s order by epoch"""
LISTENING = """select epoch, token_id, confirmed_seq, released_seq, from_at, until_at, cause
    from tracker.listening join assets using (asset_key) where journal_key = %s order by 1, 2, 3"""
WANTED = """select token_id, wanted_seq, unwanted_seq, from_at, until_at
    from tracker.wanted join assets using (asset_key) where journal_key = %s order by 1, 2"""
PROCESSES = """select start_seq, started_at, alive_at, stopped_at from tracker.process_life
    where journal_key = %s order by 1"""
COVERED = """select token_id, range_agg(tstzrange(from_at, until_at))::text
    from (select journal_key, asset_key, from_at, until_at from tracker.listening_now
          union all
          select journal_key, asset_key, from_at, until_at from tracker.coverage_ranges) l
    join assets using (asset_key)
    where l.journal_key = %s group by 1 order by 1"""
UNSETTLED = """select epoch from tracker.epochs
    where journal_key = %s and (closed_seq is not null or epoch < (
      select max(start_seq) from tracker.process_life p where p.journal_key = epochs.journal_key))
    union all
    select epoch from tracker.listening where journal_key = %s and released_seq is not null"""
WANTED_TIMES = """select token_id, range_agg(tstzrange(from_at, until_at))::text
    from wanted join assets using (asset_key) where journal_key = %s group by 1 order by 1"""


def ns(second: int) -> int:
    return round((ZERO + timedelta(seconds=second)).timestamp()) * 1_000_000_000


def history(rng: random.Random, length: int = 60) -> list[NumberedFact]:
    """Return a journal of trackers that start, listen, lose connections and are killed."""
    facts: list[NumberedFact] = []
    live: list[int] = []

    def epoch() -> int:
        return rng.choice(live)

    def some() -> tuple[TokenId, ...]:
        return tuple(rng.sample(TOKENS, rng.randint(1, 3)))

    makers: dict[str, Callable[[int], Fact]] = {
        "start": lambda at: ProcessStarted(at, "host", "1"),
        "alive": ProcessAlive,
        "stop": ProcessStopped,
        "want": lambda at: TokensWanted(at, some()),
        "unwant": lambda at: TokensUnwanted(at, some()),
        "open": lambda at: ListeningOpened(at, f"{'ab'[at % 2]}-0001", at % 2),
        "confirm": lambda at: TokensConfirmed(epoch(), at, some()),
        "release": lambda at: TokensReleased(epoch(), at, some(), rng.choice(REASONS)),
        "prove": lambda at: ListeningProven(
            tuple((each, at - rng.randint(0, 3) * 10**9) for each in live)
        ),
        "close": lambda at: ListeningClosed(
            epoch(), at, rng.choice((None, at, at - 2 * 10**9)), rng.choice(REASONS)
        ),
    }
    weights = {"start": 1, "alive": 2, "stop": 1, "want": 3, "unwant": 2, "open": 4}
    with_epochs = {"confirm": 8, "release": 3, "prove": 8, "close": 3}
    for seq in range(1, length + 1):
        choices = weights | (with_epochs if live else {})
        (kind,) = rng.choices(list(choices), list(choices.values()))
        fact = makers[kind if seq > 1 else "start"](ns(seq * 10))
        facts.append((seq, fact))
        if isinstance(fact, ListeningOpened):
            live.append(seq)
        elif isinstance(fact, ListeningClosed):
            live.remove(fact.epoch)
        elif isinstance(fact, ProcessStarted):
            live.clear()
    return facts


def overlapping(rng: random.Random, facts: Sequence[NumberedFact]) -> list[Sequence[NumberedFact]]:
    """Cut into batches, some of which start before the end of the batch before."""
    batches: list[Sequence[NumberedFact]] = []
    start = 0
    while start < len(facts):
        end = min(len(facts), start + rng.randint(1, 25))
        batches.append(facts[start:end])
        start = max(0, end - rng.choice((0, 0, 5, 12))) if end < len(facts) else end
    return [*batches, facts[rng.randint(0, len(facts)) :], facts]


def shuffled(rng: random.Random, facts: Sequence[NumberedFact]) -> list[Sequence[NumberedFact]]:
    mixed = rng.sample(list(facts), len(facts))
    return [mixed[start : start + 7] for start in range(0, len(mixed), 7)]


class Recorder:
    def __init__(self, database: str, open_store: Callable[[UUID], Store]) -> None:
        self._database = database
        self._open = open_store

    def store(
        self, batches: Iterable[Sequence[NumberedFact]], *, rng: random.Random | None = None
    ) -> int:
        """Store these in a journal of their own; return its key.

        Args:
            rng: Decides after which batches what is final is settled, and how much of it; at last
                all is. None: the watermark does not move, and nothing is settled.
        """
        journal_id = uuid4()
        store = self._open(journal_id)
        stored: set[int] = set()
        for batch in batches:
            stored.update(seq for seq, _ in batch)
            watermark = min(set(range(1, len(stored) + 2)) - stored) if rng else None
            store.commit(Batch(facts=tuple(batch), watermark=watermark))
            for _ in range(rng.randint(0, 4) if rng else 0):
                store.settle()
        while rng and not store.settle():
            pass
        store.close()
        query = "select journal_key from tracker.journals where journal_id = %s"
        return int(ask(self._database, query, journal_id)[0][0])

    def read(self, query: str, journal: int) -> list[tuple[Any, ...]]:
        return ask(self._database, query, *[journal] * query.count("%s"))


@pytest.fixture
def recorder(database: str, open_store: Callable[[UUID], Store]) -> Recorder:
    return Recorder(database, open_store)


def test_replays_and_overlaps_change_nothing(recorder: Recorder) -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        facts = history(rng)
        plain = recorder.store([[each] for each in facts])
        again = recorder.store(overlapping(rng, facts))
        for query in (EPOCHS, LISTENING, WANTED, PROCESSES):
            assert recorder.read(query, again) == recorder.read(query, plain), (seed, query)


def test_facts_out_of_order_lead_to_the_same_coverage_and_wanted_times(recorder: Recorder) -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        facts = history(rng)
        plain = recorder.store([facts])
        mixed = recorder.store(shuffled(rng, facts))
        for query in (EPOCHS, COVERED, WANTED_TIMES):
            assert recorder.read(query, mixed) == recorder.read(query, plain), (seed, query)


def test_settling_at_any_moment_changes_no_coverage_and_leaves_nothing_that_has_ended(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "EPOCHS_AT_ONCE", 2)
    monkeypatch.setattr(settlement, "ROWS_AT_ONCE", 2)
    for seed in SEEDS:
        rng = random.Random(seed)
        facts = history(rng, length=120)
        plain = recorder.store([facts])
        for batches in (overlapping(rng, facts), shuffled(rng, facts)):
            settled = recorder.store(batches, rng=rng)
            for query in (COVERED, WANTED_TIMES):
                assert recorder.read(query, settled) == recorder.read(query, plain), (seed, query)
            assert recorder.read(UNSETTLED, settled) == [], seed


def test_coverage_equals_a_plain_reading_of_the_journal(recorder: Recorder) -> None:
    for seed in SEEDS:
        facts = history(random.Random(seed))
        journal = recorder.store([facts])
        covered = [(token, text) for token, text in recorder.read(COVERED, journal) if text != "{}"]
        assert {token: _seconds(text) for token, text in covered} == plain_coverage(facts), seed


def _seconds(multirange: str) -> set[int]:
    """Return every second in the ranges, as seconds after ZERO."""
    found: set[int] = set()
    for span in multirange.strip("{}").split("),"):
        low, high = (
            round((datetime.fromisoformat(each.strip('[")')) - ZERO).total_seconds())
            for each in span.split(",")
        )
        found.update(range(low, high))
    return found


def plain_coverage(facts: Sequence[NumberedFact]) -> dict[str, set[int]]:
    """Read the journal in order, second by second: the oracle shares nothing with the SQL."""
    proven: dict[int, int] = {}
    for _, fact in facts:
        for epoch, proven_until in _proofs(fact):
            proven[epoch] = max(proven_until, proven.get(epoch, 0))
    covered: dict[str, set[int]] = {}
    for epoch, token, since, until in _spans(facts):
        end = proven.get(epoch, since) if until is None else until
        seconds = range((since - ns(0)) // 10**9, (end - ns(0)) // 10**9)
        if seconds:
            covered.setdefault(token, set()).update(seconds)
    return covered


def _proofs(fact: Fact) -> tuple[tuple[int, int], ...]:
    if isinstance(fact, ListeningProven):
        return fact.proofs
    if isinstance(fact, ListeningClosed) and fact.until_ns is not None:
        return ((fact.epoch, fact.until_ns),)
    return ()


Span = tuple[int, str, int, int | None]


def _spans(facts: Sequence[NumberedFact]) -> list[Span]:
    """Return epoch, token, from and until (None: to the end of the epoch)."""
    spans: list[Span] = []
    for _, fact in facts:
        if isinstance(fact, TokensConfirmed):
            spans += [(fact.epoch, token, fact.at_ns, None) for token in fact.tokens]
        elif isinstance(fact, TokensReleased):
            spans = [_released(span, fact) for span in spans]
    return spans


def _released(span: Span, fact: TokensReleased) -> Span:
    epoch, token, since, until = span
    if until is None and epoch == fact.epoch and token in fact.tokens:
        return (epoch, token, since, fact.until_ns)
    return span
