"""How many tokens a connection may have: learnt from what is confirmed, then carried out."""

from collections.abc import Iterable
from itertools import pairwise

import pytest

from actors.messages import Retire, Subscribe, Unsubscribe
from actors.model.assumptions import Assumption
from actors.model.connection import slot_of
from actors.model.trade import TokenId
from actors.supervision.allocation import PlanDiff
from actors.supervision.plan import ASKED_S, KEPT_S, TokenCap
from tests.actor_harness import SLOT, SupervisorHarness, added, connection_report
from tests.fakes_box import FakeRef
from tests.supervision.plan_samples import layout, market, markets, planned

LOST = (TokenId("71"), TokenId("72"))

# -------------------------------------------------------------------- the plan


def unheard(slot: str, *numbers: int) -> dict[str, frozenset[TokenId]]:
    return {slot: frozenset(token for number in numbers for token in market(number)[1])}


def test_a_lower_capacity_moves_what_is_not_heard_and_nothing_else() -> None:
    plan = planned(5, redundancy=1)
    changes = plan.lower_capacity(6, unheard(SLOT, 1))

    assert changes.unsubscribed == ((SLOT, market(1)[1]),)
    assert changes.subscribed == (("a-0001", market(1)[1]),)
    plan.add([market(9)])
    assert market(9)[1] in [tokens[-2:] for tokens in layout(plan).values()][1:]


@pytest.mark.parametrize("redundancy", [1, 2, 3])
def test_a_market_that_is_heard_moves_on_no_feed(redundancy: int) -> None:
    plan = planned(100, redundancy=redundancy, per_connection=40)
    before = layout(plan)

    # What one feed does not hear another one may.
    silent = {slot: frozenset(tokens[6:]) for slot, tokens in before.items() if slot[0] == "a"}
    changes = plan.lower_capacity(6, silent)
    loads = layout(plan)

    assert {slot for slot, _ in changes.unsubscribed} == set(silent)
    assert all(loads[slot] == tokens for slot, tokens in before.items() if slot[0] != "a")
    assert max(len(tokens) for slot, tokens in loads.items() if slot[0] == "a") <= 6


def test_what_no_feed_hears_moves_on_all_at_once_until_the_slots_have_as_many_as_they_may() -> None:
    plan = planned(100, redundancy=2, per_connection=40)
    silent = {slot: frozenset(tokens[4:]) for slot, tokens in layout(plan).items()}
    plan.lower_capacity(6, silent)
    loads = layout(plan)

    assert max(map(len, loads.values())) == 6
    for letter in "ab":
        held = [token for slot, tokens in loads.items() if slot[0] == letter for token in tokens]
        assert len(held) == len(set(held)) == 200


def test_a_market_of_which_one_token_is_heard_moves_on_one_feed_at_a_time() -> None:
    plan = planned(5, redundancy=2)
    silent = {slot: frozenset({market(3)[1][1]}) for slot in layout(plan)}
    found = [plan.lower_capacity(6, silent).unsubscribed for _ in range(3)]

    assert found == [((SLOT, market(3)[1]),), (("b-0000", market(3)[1]),), ()]


@pytest.mark.parametrize("capacity", [12, 1, 0])
def test_a_capacity_that_is_not_lower_changes_nothing(capacity: int) -> None:
    assert planned(5).lower_capacity(capacity, unheard(SLOT, 1)) == PlanDiff()


def test_a_capacity_that_is_raised_again_moves_nothing_and_lets_new_markets_in() -> None:
    plan = planned(5, redundancy=2)
    plan.lower_capacity(6, {slot: frozenset(market(1)[1]) for slot in layout(plan)})
    before = layout(plan)
    plan.raise_capacity()
    assert layout(plan) == before
    opened = plan.add(markets(4, start=20)).opened

    assert opened == ()


# --------------------------------------------------------------- what is learnt


def seen(cap: TokenCap, now: float, confirmed: dict[str, int]) -> None:
    """Let connections of 100 tokens report how many are confirmed, the rest being asked for."""
    for name, count in confirmed.items():
        lost = tuple(TokenId(f"{name}/{number}") for number in range(100 - count))
        report(cap, name, now, tokens=100, unheard=lost)


def report(
    cap: TokenCap,
    name: str,
    now: float,
    *,
    tokens: int,
    unheard: Iterable[TokenId] = (),
    waiting: Iterable[TokenId] = (),
) -> None:
    lost, waits = tuple(unheard), frozenset((*unheard, *waiting))
    confirmed = tokens - len(waits)
    cap.reported(name, now, confirmed=confirmed, unheard=lost, waiting=waits)


def try_it(cap: TokenCap, now: float) -> TokenId | None:
    """Try what `TokenCap` wants to, and let the new connection get all its books."""
    found = cap.to_try(now)
    if found is None:
        return None
    cap.trying("a-0007", now)
    report(cap, "a-0007", now, tokens=2)
    return found[1]


FULL = {"a-0000": 40, "a-0001": 39}


def test_a_market_of_slots_that_confirm_alike_is_tried_elsewhere() -> None:
    cap = TokenCap()
    seen(cap, 0.0, {"a-0000": 40})
    assert cap.to_try(0.0) is None  # one alone may be faulty
    seen(cap, 1.0, {"a-0001": 39})

    assert cap.to_try(1.0) == ("a-0000", TokenId("a-0000/0"))


def test_what_is_confirmed_there_and_not_on_the_full_ones_at_that_time_proves_the_cap() -> None:
    cap = TokenCap()
    seen(cap, 0.0, FULL)
    token = try_it(cap, 1.0)
    assert token is not None
    assert cap.to_try(2.0) is None
    assert cap.to_ask(3.0) == (token, ("a-0000", "a-0001"))
    assert cap.to_ask(4.0) is None
    for name in FULL:
        report(cap, name, 5.0, tokens=100, waiting=[token, *map(TokenId, map(str, range(60)))])
    assert cap.to_release(2.0 + ASKED_S) is None
    assert cap.to_release(3.0 + ASKED_S) == (token, ("a-0000", "a-0001"))
    assert cap.to_release(4.0 + ASKED_S) is None

    assert cap.cap == 38  # a pair is left for others
    moves = cap.to_move(4.0 + ASKED_S)
    assert {slot: len(tokens) for slot, tokens in moves.items()} == {"a-0000": 61, "a-0001": 61}
    assert cap.to_move(33.0 + ASKED_S) == {}
    assert cap.to_move(34.0 + ASKED_S) == moves


@pytest.mark.parametrize("without", [(), ("a-0000",), ("a-0001",)])
def test_a_token_that_full_ones_get_at_that_time_proves_nothing(without: tuple[str, ...]) -> None:
    cap = TokenCap()
    seen(cap, 0.0, FULL)
    token = try_it(cap, 1.0)
    assert token is not None
    assert cap.to_ask(2.0) is not None
    for name in FULL:
        report(cap, name, 5.0, tokens=41, waiting=[token] if name in without else ())

    assert cap.to_release(30.0) is not None
    assert (cap.cap, cap.to_move(30.0)) == (0, {})


def test_one_that_ended_meanwhile_does_not_speak_for_a_cap() -> None:
    cap = TokenCap()
    seen(cap, 0.0, FULL)
    token = try_it(cap, 1.0)
    assert token is not None
    assert cap.to_ask(2.0) is not None
    for name in FULL:
        report(cap, name, 5.0, tokens=41, waiting=[token])
        cap.ended(name)

    assert cap.to_release(30.0) is not None
    assert cap.cap == 0


def test_the_sister_that_had_its_book_all_along_does_not_count() -> None:
    cap = TokenCap()
    seen(cap, 0.0, FULL)
    found = cap.to_try(1.0)
    assert found is not None
    cap.trying("a-0007", 1.0)
    report(cap, "a-0007", 2.0, tokens=2, waiting=[found[1]])

    assert cap.to_ask(3.0) is None


@pytest.mark.parametrize(
    "names",
    [
        ("a-0000", "b-0000"),  # the same tokens on another feed
        ("a-0000", "a-0000.1"),  # one slot, before and after a handover
        ("a-0000", "a-0000.1", "b-0000", "b-0000.1"),
    ],
)
def test_what_has_the_same_tokens_is_no_second_witness(names: tuple[str, ...]) -> None:
    cap = TokenCap()
    seen(cap, 0.0, dict.fromkeys(names, 40))

    assert cap.to_try(1.0) is None


def learn(cap: TokenCap, now: float, confirmed: int) -> int:
    """Let two full slots hear as many and no more; return the cap then."""
    seen(cap, now, {"a-0000": confirmed, "a-0001": confirmed})
    token = try_it(cap, now)
    if token is not None:
        cap.to_ask(now)
        for name in FULL:
            report(cap, name, now + 1.0, tokens=confirmed + 1, waiting=[token])
        cap.to_release(now + ASKED_S)
    return cap.cap


def test_a_cap_that_was_learnt_is_learnt_anew_when_the_exchange_takes_still_fewer() -> None:
    cap = TokenCap()

    assert [learn(cap, now, count) for now, count in ((0.0, 40), (100.0, 30), (150.0, 30))] == [
        38, 38, 28,
    ]  # fmt: skip


def test_a_cap_expires_after_hours_and_is_kept_longer_each_time_that_it_is_learnt_again() -> None:
    cap, now, kept = TokenCap(), 0.0, []
    for _ in range(6):
        assert learn(cap, now, 40) == 38
        began = now = now + ASKED_S
        while not cap.expired(now):
            now += 600.0
        assert (cap.cap, cap.expired(now), cap.to_move(now)) == (0, False, {})
        kept.append((now - began) / KEPT_S)

    assert kept == [1, 2, 4, 8, 8, 8]


def test_tokens_that_are_confirmed_nowhere_teach_nothing_and_are_tried_ever_more_seldom() -> None:
    cap, tries = TokenCap(), []
    for now in range(0, 40_000, 10):
        seen(cap, now, {"a-0000": 98, "a-0001": 98})
        if cap.to_try(now) is not None:
            tries.append(now)
            cap.trying("a-0007", now)
        report(cap, "a-0007", now, tokens=2, waiting=(TokenId("a-0000/0"), TokenId("a-0000/1")))
        assert cap.to_ask(now) is None

    assert cap.cap == 0
    assert [after - before for before, after in pairwise(tries)] == [
        720, 1320, 2520, 4920, 9720, 19320,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "confirmed",
    [
        (40, 39, 60),  # of one with 100 that has more
        (40, 20),  # not alike
        (40, 40, 10, 12, 11, 13),  # most are not
        (11, 11),  # so few tokens a connection would be too many connections
    ],
)
def test_what_a_cap_does_not_explain_is_not_tried(confirmed: tuple[int, ...]) -> None:
    cap = TokenCap()
    seen(cap, 0.0, {f"a-{number:04d}": count for number, count in enumerate(confirmed)})

    assert cap.to_try(0.0) is None


def test_a_connection_with_all_of_more_tokens_refutes_it() -> None:
    cap = TokenCap()
    seen(cap, 0.0, FULL)
    report(cap, "a-0002", 0.0, tokens=45)
    assert cap.to_try(0.0) is None
    report(cap, "a-0002", 0.0, tokens=42)  # where markets end a few places are free

    assert cap.to_try(0.0) is not None


def test_tokens_that_were_not_asked_for_often_enough_yet_say_nothing() -> None:
    cap = TokenCap()
    new = [TokenId(f"8{number}") for number in range(3)]
    for name in FULL:
        report(cap, name, 0.0, tokens=100, unheard=LOST, waiting=new)
    assert cap.to_try(0.0) is None
    for name in FULL:
        report(cap, name, 0.0, tokens=100, unheard=LOST, waiting=new[:2])

    assert cap.to_try(0.0) is not None  # a few new ones there always are


# ------------------------------------------------------------- what follows


class Slots(set[str]):
    """The names of all connections of slots."""

    def __contains__(self, name: object) -> bool:
        return str(name)[1:2] == "-"


class Exchange:
    """Answers subscriptions of the connections of a harness, once a second.

    Attributes:
        cap: How many tokens a connection can have.
        unknown: Tokens that are not known yet, so that a request for them is ignored.
    """

    def __init__(
        self, harness: SupervisorHarness, *, cap: int = 1_000, unknown: Iterable[TokenId] = ()
    ) -> None:
        self.harness, self.cap, self.unknown = harness, cap, set(unknown)
        self._held: dict[FakeRef, dict[TokenId, None]] = {}
        self._asked: dict[FakeRef, dict[TokenId, list[int]]] = {}
        self._read: dict[FakeRef, int] = {}
        self._second = 0
        self.gaps: set[tuple[TokenId, int]] = set()

    def run(self, seconds: int) -> SupervisorHarness:
        for _ in range(seconds):
            self._second += 1
            self.harness.tick()
            for name in self.names():
                if self.harness.ref(name).alive:
                    self._serve(name, self.harness.ref(name))
        return self.harness

    def names(self) -> list[str]:
        """Return the connections of slots that were started."""
        return [name for name in dict.fromkeys(self.harness.started()) if name in Slots()]

    def slots(self) -> list[str]:
        """Return their slots."""
        return list(dict.fromkeys(slot_of(name) for name in self.names()))

    def heard(self, slot: str) -> set[TokenId]:
        """Return what the connections of a slot are sent."""
        names = [name for name in self.names() if slot_of(name) == slot]
        refs = [self.harness.ref(name) for name in names]
        return {token for ref in refs if ref.alive for token in self._held.get(ref, ())}

    def _serve(self, name: str, ref: FakeRef) -> None:
        if ref not in self._asked:
            self._asked[ref], self._held[ref] = {}, {}
            spec = [spec for spec in self.harness.specs if spec.name == name][-1]
            self._take(ref, spec.tokens)
        for message in ref.received[self._read.get(ref, 0) :]:
            if isinstance(message, Subscribe):
                self._take(ref, [t for t in message.tokens if t not in self._asked[ref]])
            if isinstance(message, Unsubscribe):
                for token in message.tokens:
                    self._asked[ref].pop(token, None)
                    self._held[ref].pop(token, None)
            if isinstance(message, Retire):
                self.harness.end(name, "released")
                return
        self._read[ref] = len(ref.received)
        asked, held = self._asked[ref], self._held[ref]
        waits = {token: at for token, (_, at) in asked.items() if token not in held}
        # As `ConfirmRetry` does: after 30 and 60 s, then every 300 s.
        self._take(ref, [t for t, at in waits.items() if self._second - at >= self._rest(ref, t)])
        waiting = frozenset(token for token in asked if token not in held)
        lost = tuple(token for token in asked if token in waiting and asked[token][0] > 2)
        figures = {
            "tokens": len(asked),
            "confirmed": len(held),
            "unanswered": lost,
            "waiting": waiting,
        }
        number, epoch = self.harness.incarnation(name), self.harness.epoch(name)
        self.harness.tell(connection_report(name, number, "listening", epoch, **figures))

    def _rest(self, ref: FakeRef, token: TokenId) -> int:
        return 30 if self._asked[ref][token][0] < 3 else 300

    def _take(self, ref: FakeRef, tokens: Iterable[TokenId]) -> None:
        held = self._held[ref]
        for token in tokens:
            asks = self._asked[ref].get(token, [0, 0])[0] + 1
            self._asked[ref][token] = [asks, self._second]
            if token not in self.unknown and len(held) < self.cap:
                held[token] = None


def started(redundancy: int, count: int, per_connection: int = 60) -> SupervisorHarness:
    harness = SupervisorHarness(per_connection=per_connection, redundancy=redundancy)
    harness.mute = Slots()
    return harness.begin(*range(1, count + 1))


def lowered(caplog: pytest.LogCaptureFixture) -> list[int]:
    found = [each for each in caplog.records if each.message == "tokens_per_connection_lowered"]
    return [each.tokens for each in found]  # type: ignore[attr-defined]


@pytest.mark.parametrize("redundancy", [1, 2])
def test_on_a_capped_exchange_every_token_is_heard_on_every_feed_within_three_minutes(
    redundancy: int, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = Exchange(started(redundancy, 90), cap=20)
    harness = exchange.run(180)

    for feed in "ab"[:redundancy]:
        heard = [
            token for slot in exchange.slots() if slot[0] == feed for token in exchange.heard(slot)
        ]
        assert len(set(heard)) == 180
    assert lowered(caplog) == [18]
    counted = harness.health().assumptions[Assumption.TOKENS_PER_CONNECTION]
    assert counted.total == 1
    # And what is new is heard at once.
    harness.tell(added(200))
    exchange.run(5)
    assert any(TokenId("2001") in exchange.heard(slot) for slot in exchange.slots())


def test_a_cap_is_learnt_where_markets_are_added_all_the_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exchange = Exchange(started(2, 90, per_connection=120), cap=60)
    for number in range(36):
        exchange.run(5)
        exchange.harness.tell(added(200 + number))
    exchange.run(35)

    assert lowered(caplog) == [58]
    for feed in "ab":
        slots = [slot for slot in exchange.slots() if slot[0] == feed]
        assert len({token for slot in slots for token in exchange.heard(slot)}) == 252


def test_what_is_heard_stays_where_it_is() -> None:
    exchange = Exchange(started(2, 90), cap=20)
    exchange.run(80)
    before = {slot: exchange.heard(slot) for slot in ("a-0000", "b-0000", "b-0001")}
    exchange.run(200)

    assert all(exchange.heard(slot) >= heard for slot, heard in before.items())


@pytest.mark.no_cover  # see CONTRIBUTING.md
@pytest.mark.parametrize("redundancy", [1, 2])
@pytest.mark.parametrize("slots", [1, 2, 3])
def test_markets_that_the_exchange_knows_only_after_minutes_are_no_cap(
    redundancy: int, slots: int, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = range(3, 20 * slots, 20)
    late = [token for n in numbers for token in (TokenId(f"{n}1"), TokenId(f"{n}2"))]
    harness = started(redundancy, 20 * slots, per_connection=40)
    exchange = Exchange(harness, unknown=late)
    # They trade from the moment when one of them is tried elsewhere, or from then on.
    begun = len(harness.started())
    for _ in range(400):
        exchange.run(1)
        opened = [n for n in harness.started()[begun:] if "." not in n and n[1:2] == "-"]
        if opened:
            exchange.unknown.clear()
    exchange.unknown.clear()
    exchange.run(1_200)

    assert lowered(caplog) == []
    for feed in "ab"[:redundancy]:
        heard = {t for slot in exchange.slots() if slot[0] == feed for t in exchange.heard(slot)}
        assert heard >= set(late)


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_after_hours_connections_may_have_as_many_tokens_as_at_first() -> None:
    exchange = Exchange(started(1, 90), cap=20)
    harness = exchange.run(180)
    exchange.cap = 1_000
    for _ in range(int(KEPT_S / 60) + 10):
        harness.now += 59.0
        exchange.run(1)
    before = len(harness.started())
    harness.tell(added(*range(200, 220)))
    exchange.run(30)

    assert len(harness.started()) == before


def test_an_exchange_that_takes_all_is_asked_no_questions() -> None:
    harness = started(1, 60)
    exchange = Exchange(harness)
    exchange.run(10)
    before = len(harness.started())
    harness.tell(added(*range(100, 110)))
    exchange.run(60)

    assert len(harness.started()) == before + 1
