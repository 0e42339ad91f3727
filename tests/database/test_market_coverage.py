"""`market_coverage` says what `coverage` and `coverage_gaps` say, in every state of the database.

Trackers start, stop, are killed, return and are retired; messages are rejected and taken in, trades
too; markets close and resolve, wishes are dated back. After each of that a row is what a plain
computation gives, or says that it is not known; and once all is computed no row is missing.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest

from actors.database import queries
from actors.database.store import Store
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
from tests.postgres import connected

# Much simulated time: to measure its coverage would take three times as long.
pytestmark = [pytest.mark.db, pytest.mark.no_cover]

FIRST_BOOK = timedelta(seconds=10)
DAYS = 4
MARKETS = 3
NOTHING = timedelta()
Connection = psycopg.Connection[tuple[Any, ...]]
Span = tuple[datetime, datetime]
Gap = tuple[datetime, datetime, str]
CLOSINGS = """select condition_id, case when closed then closed_time end, resolved_at, (
      select max(known_at) from market_history h where h.condition_id = m.condition_id
        and changes @> '{"closed": true}' and m.closed)
    from markets m left join resolutions using (condition_id)"""
COVERED = "select token_id, lower(during), upper(during) from coverage order by 1, 2"
GAPS = """select token_id, day, lower(gap), upper(gap), cause
    from assets cross join unnest(%s::date[]) day
    cross join lateral coverage_gaps(token_id, day::timestamp at time zone 'UTC',
                                     (day + 1)::timestamp at time zone 'UTC')"""
WHOLE = """select token_id, lower(gap), upper(gap), cause
    from assets cross join lateral coverage_gaps(token_id, null, null)"""
SEEDS = (*range(4), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 60)))
REASONS = ("frozen", "deaf", "reset", "clock_step", "exchange_silent")


class Row(NamedTuple):
    """What is said of a market and a time; None: not known."""

    wanted_s: float | None
    covered_s: float | None
    share: float | None
    complete: bool
    longest_gap_s: float | None
    causes: list[str] | None


# ------------------------------------------------------- the plain computation


def _minus(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    left = [span for span in spans if span[0] < span[1]]
    for begin, end in others:
        left = [
            part
            for low, high in left
            for part in ((low, min(high, begin)), (max(low, end), high))
            if part[0] < part[1]
        ]
    return left


class Plain:
    """What `coverage` and `coverage_gaps` say of all tokens on some days, as they are now."""

    def __init__(self, db: Connection, days: Sequence[date]) -> None:
        self._tokens: dict[str, list[str]] = {}
        self._close: dict[str, datetime | None] = {}
        self._heard: dict[str, list[Span]] = {}
        self._gaps: dict[tuple[str, date], list[Gap]] = {}
        self._waits: dict[str, list[Span]] = {}
        for name, token in db.execute("select condition_id, token_id from assets order by 2"):
            self._tokens.setdefault(name, []).append(token)
        for name, *times, learned in db.execute(CLOSINGS):
            self._close[name] = min((each for each in times if each), default=learned)
        for token, low, high in db.execute(COVERED):
            self._heard.setdefault(token, []).append((low, high))
        for token, day, *gap in db.execute(GAPS, (list(days),)):
            self._gaps.setdefault((token, day), []).append((gap[0], gap[1], gap[2]))
        for token, low, high, cause in db.execute(WHOLE):
            heard = self._heard.get(token, [])
            is_short = cause == "never_confirmed" and high - low <= FIRST_BOOK
            if is_short and any(begin <= high < end for begin, end in heard):
                self._waits.setdefault(token, []).append((low, high))

    def row(self, condition: str, day: date) -> Row | None:
        """Return what the row of a market and day must say; None: there is none."""
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        end, close = start + timedelta(days=1), self._close.get(condition)
        tokens = self._tokens.get(condition, [])
        heard = {token: _before(self._heard.get(token, []), end) for token in tokens}
        gaps = [gap for token in tokens for gap in self._gaps.get((token, day), [])]
        covered = sum(
            (
                high - max(low, start)
                for some in heard.values()
                for low, high in some
                if high > start
            ),
            NOTHING,
        )
        lost = sum((high - low for low, high, _ in gaps), NOTHING)
        if covered + lost == NOTHING:
            return None
        complete = not any(
            gap[0] < (close or end) and not self._is_wait(token, gap)
            for token in tokens
            for gap in self._gaps.get((token, day), [])
        )
        first = min((some[0][0] for some in heard.values() if some), default=end)
        for token, some in heard.items():
            begin = some[0][0] if some and some[0][0] - first <= FIRST_BOOK else first
            waits = self._waits.get(token, [])
            if _minus([(max(begin, start), min(end, close or end))], [*some, *waits]):
                complete = False
        return Row(
            (covered + lost).total_seconds(),
            covered.total_seconds(),
            covered / (covered + lost),
            complete,
            max((high - low for low, high, _ in gaps), default=NOTHING).total_seconds(),
            sorted({cause for _, _, cause in gaps}),
        )

    def _is_wait(self, token: str, gap: Gap) -> bool:
        """Return whether it is a part of a short one that ended with the first book."""
        return any(low <= gap[0] and gap[1] <= high for low, high in self._waits.get(token, []))


def _before(spans: Sequence[Span], end: datetime) -> list[Span]:
    return [(low, min(high, end)) for low, high in spans if low < end]


def same(one: Row | None, other: Row | None) -> bool:
    """Return whether both say the same, to the millisecond."""
    return (one is None) == (other is None) and all(
        a == pytest.approx(b, abs=2e-3) if isinstance(a, float) else a == b
        for a, b in zip(one or (), other or (), strict=True)
    )


# ------------------------------------------------------------- the exchange of it


class Tracker:
    """Writes a journal of its own."""

    def __init__(self, store: Store, journal_id: UUID) -> None:
        self.store, self.journal_id = store, journal_id
        self.seq = 0
        self.runs = False
        self.epochs: list[int] = []

    def add(self, *facts: Fact) -> int:
        """Store facts; return the sequence of the last."""
        for fact in facts:
            self.seq += 1
            self.store.commit(Batch(facts=((self.seq, fact),), watermark=self.seq + 1))
        return self.seq


class World:
    """Trackers, markets, and a clock that goes through some days."""

    def __init__(self, seed: int, open_store: Callable[[UUID], Store], db: Connection) -> None:
        self.rng = random.Random(seed)
        self.db, self._open = db, open_store
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=DAYS)
        self.now = self.begin + timedelta(hours=self.rng.uniform(1, 30))
        self.trackers = [self._tracker() for _ in range(self.rng.choice((1, 2, 2)))]
        for number in range(MARKETS):
            db.execute(
                """insert into markets (condition_id, question, slug, closed, active, neg_risk,
                     version, tags) values (%s, 'q', 's', false, true, false, 'v1', '{}')""",
                (condition(number),),
            )
        for number in range(2 * MARKETS):
            db.execute(
                "insert into assets (token_id, condition_id) values (%s, %s)",
                (str(number), condition(number // 2) if number != 2 else None),
            )

    def _tracker(self) -> Tracker:
        journal_id = uuid4()
        return Tracker(self._open(journal_id), journal_id)

    def ns(self, back: timedelta = NOTHING) -> int:
        return round((self.now - back).timestamp() * 1_000) * 1_000_000

    def some(self) -> tuple[TokenId, ...]:
        return tuple(
            TokenId(str(2 * number + side))
            for number in self.rng.sample(range(MARKETS), self.rng.randint(1, MARKETS))
            for side in self.rng.choice(((0, 1), (0, 1), (0,), (1,)))
        )

    def back(self) -> timedelta:
        """Return how long ago something was: now and then more than a day."""
        return timedelta(hours=self.rng.choice((0, 0, 0.5, 5, 30)))

    # each changes something

    def pass_time(self) -> None:
        before = self.now
        self.now += timedelta(hours=self.rng.choice((0.001, 1, 5, 9)))
        self.now = max(before, min(self.now, datetime.now(UTC) - timedelta(minutes=20)))
        for each in self.trackers:
            if each.runs and self.rng.random() < 0.9:
                each.add(ListeningProven(tuple((epoch, self.ns()) for epoch in each.epochs)))
                each.add(ProcessAlive(self.ns()))

    def start(self, it: Tracker) -> None:
        it.store.open(it.journal_id)  # which ends that it is retired
        it.add(ProcessStarted(self.ns(), "host", "1"))
        it.runs, it.epochs = True, []

    def stop(self, it: Tracker) -> None:
        if self.rng.random() < 0.7:  # else it is killed
            for epoch in it.epochs:
                it.add(ListeningClosed(epoch, self.ns(), self.ns(), "stopped"))
            it.add(ProcessStopped(self.ns()))
        it.runs, it.epochs = False, []

    def want(self, it: Tracker) -> None:
        it.add(TokensWanted(self.ns(self.back()), self.some()))

    def unwant(self, it: Tracker) -> None:
        tokens, at = self.some(), self.ns(timedelta(hours=self.rng.choice((0, 0, 5))))
        for epoch in it.epochs:
            it.add(TokensReleased(epoch, at, tokens, "released"))
        it.add(TokensUnwanted(at, tokens))

    def listen(self, it: Tracker) -> None:
        tokens = self.some()
        it.add(TokensWanted(self.ns(), tokens))
        epoch = it.add(ListeningOpened(self.ns(), "a-0001", 0))
        self.now += timedelta(seconds=self.rng.choice((0.4, 3, 15)))
        it.add(TokensConfirmed(epoch, self.ns(), tokens))
        it.epochs.append(epoch)

    def release(self, it: Tracker) -> None:
        """End listening to a token at any time since it began, which may be days ago."""
        found = self.db.execute(
            """select l.epoch, a.token_id, l.from_at from listening l
               join assets a using (asset_key) join journals j using (journal_key)
               where j.journal_id = %s and l.released_seq is null order by 1, 2""",
            (it.journal_id,),
        ).fetchall()
        going_on = [each for each in found if each[0] in it.epochs]
        if going_on:
            epoch, token, since = self.rng.choice(going_on)
            back = (self.now - since) * self.rng.random()
            cause = self.rng.choice((*REASONS, "rejected"))
            it.add(TokensReleased(epoch, self.ns(back), (token,), cause))

    def close(self, it: Tracker) -> None:
        if it.epochs:
            epoch = it.epochs.pop(self.rng.randrange(len(it.epochs)))
            until = self.rng.choice((None, self.ns(), self.ns(timedelta(hours=1))))
            it.add(ListeningClosed(epoch, self.ns(), until, self.rng.choice(REASONS)))

    def prove_late(self, it: Tracker) -> None:
        if it.epochs:
            it.add(ListeningProven(((it.epochs[-1], self.ns()),)))

    def settle(self, it: Tracker) -> None:
        while self.rng.random() < 0.8:
            it.store.settle()

    def doubt(self, it: Tracker) -> None:
        """Reject what may be a trade: listening to its token ends at the last trade before it."""
        if it.epochs:
            (token, *_), epoch = self.some(), self.rng.choice(it.epochs)
            it.add(TokensReleased(epoch, self.ns(self.back()), (token,), "rejected"))
            self.db.execute(
                """insert into rejected_messages (received_at, connection, reason, payload,
                     journal_key, seq, index, epoch, occurrence, doubt)
                   select now(), 'a-0001', 'r', '', journal_key, %s, 0, %s, 1, %s
                   from journals where journal_id = %s""",
                (it.seq - 1, epoch, token, it.journal_id),
            )

    def reject(self, it: Tracker) -> None:
        """Reject a trade that the database could not hold."""
        at = self.now - self.back()
        self.db.execute(
            """insert into rejected_messages (received_at, connection, reason, payload,
                 journal_key, occurrence, doubt, uncovered)
               select now(), 'database', 'r', %s, journal_key, 1, %s, tstzrange(%s, %s)
               from journals where journal_id = %s""",
            (uuid4().bytes, self.some()[0], at, at + timedelta(seconds=1), it.journal_id),
        )

    def take_in(self, _: Tracker) -> None:
        rows = self.db.execute(
            """select message_key, journal_key, epoch, doubt from rejected_messages
               where taken_in_at is null order by 1 limit 2"""
        ).fetchall()
        with self.db.transaction():
            self.db.execute(queries.MARK_TAKEN_IN, {"keys": [key for key, *_ in rows]})
            for _, journal, epoch, token in rows:
                given = {"journals": [journal], "epochs": [epoch], "doubts": [token]}
                if epoch is not None:
                    self.db.execute(queries.RESTORE_LISTENING, {**given, "missed": "deaf"})

    def retire(self, it: Tracker) -> None:
        if not it.runs:
            self.db.execute(queries.RETIRE_TRACKERS, {"journals": [it.journal_id]})

    def name(self, _: Tracker) -> None:
        self.db.execute(
            "update assets set condition_id = %s where condition_id is null", (condition(1),)
        )

    def end_trading(self, _: Tracker) -> None:
        self.db.execute(
            "update markets set closed = true, closed_time = %s where condition_id = %s",
            (self.now - self.back(), condition(self.rng.randrange(MARKETS))),
        )

    def learn(self, _: Tracker) -> None:
        """Learn that a market is closed, or open again, without being told since when."""
        name = condition(self.rng.randrange(MARKETS))
        with self.db.transaction():
            self.db.execute("alter table markets disable trigger keep_history")
            self.db.execute(
                """insert into market_history select condition_id,
                     greatest(%s, (select max(known_at) + interval '1 microsecond'
                                   from market_history h where h.condition_id = m.condition_id
                                     and known_at < now() - interval '10 minutes')),
                     jsonb_build_object('closed', not closed)
                   from markets m where condition_id = %s""",
                (self.now, name),
            )
            self.db.execute(
                "update markets set closed = not closed where condition_id = %s", (name,)
            )
            self.db.execute("alter table markets enable trigger keep_history")

    def add_token(self, _: Tracker) -> None:
        """Find another token of a market."""
        self.db.execute(
            "insert into assets (token_id, condition_id) values (%s, %s)",
            (f"late-{uuid4()}", condition(self.rng.randrange(MARKETS))),
        )

    def resolve(self, _: Tracker) -> None:
        self.db.execute(
            """insert into resolutions (condition_id, kind, payouts, resolved_at, sources)
               values (%s, 'split', '{0.5,0.5}', %s, '{}') on conflict do nothing""",
            (condition(self.rng.randrange(MARKETS)), self.now - self.back()),
        )

    def act(self) -> str:
        """Let something happen; return what."""
        it = self.rng.choice(self.trackers)
        if self.rng.random() < 0.02 and len(self.trackers) < 3:
            self.trackers.append(it := self._tracker())
        running = {
            self.stop: 1, self.want: 4, self.unwant: 1, self.listen: 6, self.release: 4,
            self.close: 2, self.settle: 4, self.doubt: 2, self.prove_late: 1,
        }  # fmt: skip
        always = {
            self.reject: 1, self.take_in: 2, self.name: 0.2, self.end_trading: 0.5,
            self.resolve: 0.3, self.learn: 0.4, self.add_token: 0.2,
        }  # fmt: skip
        own = running if it.runs else {self.start: 6, self.retire: 2}
        choices: dict[Callable[[Tracker], None], float] = {**own, **always}
        (chosen,) = self.rng.choices(list(choices), list(choices.values()))
        chosen(it)
        return chosen.__name__


def condition(number: int) -> str:
    return f"0x{number:064x}"


# ---------------------------------------------------------------------- the tests


def rows(db: Connection) -> dict[tuple[str, date], tuple[Row, datetime | None]]:
    found = db.execute(
        """select condition_id, day, wanted_s, covered_s, share, complete, longest_gap_s, causes,
             computed_at from public.market_coverage"""
    ).fetchall()
    return {(name, day): (Row(*said), at) for name, day, *said, at in found}


def check_no_row_is_wrong(db: Connection, when: str) -> None:
    have = rows(db)
    real = Plain(db, sorted({day for _, day in have}))
    for (name, day), (row, computed_at) in have.items():
        if computed_at is None:
            assert row == Row(None, None, None, False, None, None)
            continue
        is_right = real.row(name, day)
        assert same(row, is_right), f"{when}: {name[-2:]} {day}: {row}, and it is {is_right}"


def compute_all(store: Store, db: Connection) -> None:
    for _ in range(200):
        # The minutes between the announcement of a day and its computation have passed.
        db.execute("update computed_days set announced_at = announced_at - interval '1 hour'")
        done = store.compute_coverage()
        assert not done.failed, done.failed
        if done.is_last:
            return
    pytest.fail("it never ends")


@pytest.fixture
def db(database: str) -> Iterator[Connection]:
    with connected(database) as connection:
        yield connection


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_say_what_coverage_and_gaps_say_whatever_happens(
    seed: int, open_store: Callable[[UUID], Store], db: Connection
) -> None:
    world = World(seed, open_store, db)
    computed = False
    for step in range(60):
        what = world.act()
        check_no_row_is_wrong(db, f"{step} {what}")
        world.pass_time()
        computing = [each for each in world.trackers if each.runs]
        if computing and world.rng.random() < 0.3:
            compute_all(computing[0].store, db)
            computed = computed or bool(rows(db))
            check_no_row_is_wrong(db, f"{step} computed")
            check_no_row_is_missing(db)


def check_no_row_is_missing(db: Connection) -> None:
    have = rows(db)
    found = db.execute("select day from computed_days where computed_at is not null order by 1")
    days = [day for (day,) in found]
    real = Plain(db, days)
    for day in days:
        for number in range(MARKETS):
            is_right, said = real.row(condition(number), day), have.get((condition(number), day))
            assert (said is None) == (is_right is None), f"{number} {day}: {said}, not {is_right}"
            assert said is None or said[1] is not None
