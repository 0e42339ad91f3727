"""A bug in any handler ends that actor and is reported; no acknowledged trade is lost."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pykka
import pytest

from actors.actor import Addresses, BaseActor, Incarnation
from actors.catalog.universe import Filters
from actors.errors import JournalFailed
from actors.feed.actor import ConnectionActor
from actors.feed.ports import ConnectionSettings
from actors.journal.journal import Journal
from actors.journal.recorder import InFlight
from actors.messages import (
    CatchUp,
    ChildDied,
    ConnectionNoted,
    ConnectionReport,
    FactSeen,
    Flush,
    FramesReceived,
    GetHealth,
    Message,
    Open,
    ReadJournal,
    Subscribe,
    Tick,
    TradesSeen,
)
from actors.model.connection import ConnectionSpec
from actors.model.facts import ListeningClosed
from actors.writer.actor import GATHERED, WriterActor, WriterSettings
from tests.actor_harness import SupervisorHarness, added
from tests.catalog import test_actor as test_catalog
from tests.fakes_box import Box
from tests.fakes_http import FakePolymarket
from tests.feed import test_actor as test_connection
from tests.feed.test_actor import a_book, a_trade
from tests.live import test_supervision
from tests.live.test_supervision import SLOT, WAIT_S, at
from tests.resolution import test_actor as test_resolution
from tests.writer import test_actor as test_writer

pytestmark = pytest.mark.live

Named = tuple[str, Callable[[], tuple[BaseActor, Box]]]


def bug(_: object) -> None:
    raise ZeroDivisionError("a bug of ours")


def connection() -> tuple[BaseActor, Box]:
    harness = test_connection.ConnectionHarness()
    return harness.actor, harness.supervisor


def writer() -> tuple[BaseActor, Box]:
    harness = test_writer.WriterHarness()
    return harness.actor, harness.supervisor


def catalog() -> tuple[BaseActor, Box]:
    harness = test_catalog.Harness(FakePolymarket(), Filters())
    return harness.actor, harness.supervisor


def resolution() -> tuple[BaseActor, Box]:
    harness = test_resolution.Harness(FakePolymarket(), chain=True)
    return harness.actor, harness.supervisor


CHILDREN = {
    "connection": connection,
    "writer": writer,
    "catalog": catalog,
    "resolution": resolution,
}
EACH = [(name, kind) for name, make in CHILDREN.items() for kind in make()[0].handlers]


def any_message(kind: type[Message]) -> Message:
    """Return a message of a kind; its fields are not read."""
    needed = [field.encode_name for field in msgspec.structs.fields(kind) if field.required]
    return kind(**dict.fromkeys(needed))


def launch(actor: BaseActor) -> "pykka.ActorRef[Any]":
    """Start an actor that was made by hand."""
    pykka.ActorRegistry.register(actor.actor_ref)
    actor._start_actor_loop()
    return actor.actor_ref


class Ended:
    """Set when an actor reports its death."""

    def __init__(self, box: Box) -> None:
        self.reported = threading.Event()
        self._tell, box.tell = box.tell, self._receive  # type: ignore[method-assign] # a tap

    def _receive(self, message: Message) -> None:
        self._tell(message)
        if isinstance(message, ChildDied):
            self.reported.set()


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    pykka.ActorRegistry.stop_all(timeout=WAIT_S)


def test_the_messages_of_all_children_are_covered() -> None:
    assert len(EACH) > 35


@pytest.mark.parametrize(("name", "kind"), EACH, ids=lambda part: getattr(part, "__name__", part))
def test_a_bug_in_this_handler_ends_one_actor_and_is_reported(
    name: str, kind: type[Message]
) -> None:
    actor, box = CHILDREN[name]()
    ended = Ended(box)
    actor.first = None
    actor.handlers = {**actor.handlers, kind: bug}
    ref = launch(actor)
    ref.tell(any_message(kind))
    if kind in GATHERED:
        ref.tell(Flush())  # as the clock does; a gathered message does not wake the actor
    assert ended.reported.wait(WAIT_S)

    death = box.last(ChildDied)
    assert (death.child, death.incarnation) == (actor.child, actor.incarnation)
    assert death.reason == "ZeroDivisionError: a bug of ours"
    assert "Traceback" in death.traceback
    assert death.exit_code is None


PARENTS = list(SupervisorHarness().actor.handlers)


@pytest.mark.parametrize("kind", PARENTS, ids=lambda kind: str(kind.__name__))
def test_a_bug_in_this_handler_of_the_supervisor_ends_the_process(kind: type[Message]) -> None:
    harness = SupervisorHarness()
    over = threading.Event()

    def on_fatal(code: int, reason: str) -> None:
        harness.fatal.append((code, reason))
        over.set()

    harness.actor._on_fatal = on_fatal
    harness.actor.handlers = {**harness.actor.handlers, kind: bug}
    ref = launch(harness.actor)
    ref.tell(any_message(kind))
    if kind is ConnectionReport:
        ref.tell(any_message(GetHealth))  # a report does not wake the actor, a request does
    assert over.wait(WAIT_S)

    assert harness.fatal == [(70, "the supervisor died: ZeroDivisionError: a bug of ours")]


@pytest.mark.parametrize("kind", PARENTS, ids=lambda kind: str(kind.__name__))
def test_what_the_supervisor_cannot_survive_ends_the_process_with_its_own_code(
    kind: type[Message],
) -> None:
    def broken(_: object) -> None:
        raise JournalFailed("the disk is gone")

    harness = SupervisorHarness()
    harness.actor.handlers = {**harness.actor.handlers, kind: broken}
    harness.actor.on_receive(any_message(kind))

    assert harness.fatal == [(74, "the disk is gone")]


# ------------------------------------------------------------ actors together


class BuggyActors(test_supervision.StartedActors):
    """Actors of which one handles one kind of message by a bug, some times."""

    def __init__(self, journal: Journal, child: str, kind: type[Message], *, times: int) -> None:
        self._child, self._kind = child, kind
        self.left = times
        super().__init__(journal)

    def _spoil(self, actor: BaseActor) -> "pykka.ActorRef[Any]":
        right = actor.handlers[self._kind]

        def handle(message: Any) -> Any:
            if self.left:
                self.left -= 1
                bug(message)
            return right(message)

        actor.handlers = {**actor.handlers, self._kind: handle}
        return launch(actor)

    def _start_writer(self, incarnation: int, at: Tick) -> "pykka.ActorRef[Any]":
        if self._child != "writer":
            return super()._start_writer(incarnation, at)
        return self._spoil(
            WriterActor(
                Incarnation("writer", incarnation, at),
                to=Addresses(supervisor=self.supervisor, catalog=Box(), resolution=Box()),
                store=self.store,
                journal=self.journal,
                settings=WriterSettings(),
                rng=Random(1),
            )
        )

    def _start_connection(
        self, spec: ConnectionSpec, incarnation: int, at: Tick
    ) -> "pykka.ActorRef[Any]":
        if self._child != spec.name:
            return super()._start_connection(spec, incarnation, at)
        return self._spoil(
            ConnectionActor(
                Incarnation(spec.name, incarnation, at),
                spec,
                to=Addresses(
                    supervisor=self.supervisor, writer=self.writer, catalog=Box(), resolution=Box()
                ),
                dialler=self.diallers[spec.name],
                recorder=self.recorder,
                settings=ConnectionSettings(),
            )
        )


MakeBuggy = Callable[..., BuggyActors]


@pytest.fixture
def make_buggy(tmp_path: Path) -> Iterator[MakeBuggy]:
    """Return a function that starts actors with a bug; all are stopped after the test."""
    made: list[tuple[BuggyActors, Journal]] = []

    def make(child: str, kind: type[Message], *, times: int = 1) -> BuggyActors:
        journal = Journal.open(tmp_path / "journal", sync_interval_s=0.01, max_bytes=1 << 28)
        made.append((BuggyActors(journal, child, kind, times=times), journal))
        return made[-1][0]

    yield make
    for harness, journal in made:
        harness.ref.stop(timeout=WAIT_S)
        pykka.ActorRegistry.stop_all(timeout=WAIT_S)
        journal.close()


@pytest.mark.parametrize(
    "kind",
    [Open, Tick, Flush, CatchUp, TradesSeen, FactSeen, ConnectionNoted],
    ids=lambda kind: str(kind.__name__),
)
def test_a_bug_in_the_writer_loses_and_doubles_nothing(
    make_buggy: MakeBuggy, kind: type[Message]
) -> None:
    harness = make_buggy("writer", kind)
    line = harness.listen()
    for number in range(1, 30):
        harness.say(line, a_trade("11", at_ms=at(number)))
    harness.until(lambda: harness.stored() == [at(number) for number in range(1, 30)])
    harness.until(lambda: harness.left == 0)
    harness.until(lambda: harness.store.watermark == harness.journal.next_seq)
    # A connection is noted when it has received data, so this bug may come last.
    harness.until(lambda: harness.health().restarts.children == {"writer": 1})
    harness.until(lambda: harness.health().accounting.balanced)

    assert harness.fatal == []


def test_a_bug_where_the_journal_is_read_instead_loses_nothing(make_buggy: MakeBuggy) -> None:
    harness = make_buggy("writer", ReadJournal)
    harness.recorder._in_flight = InFlight(
        0
    )  # no message is small enough to be sent with its trades
    line = harness.listen()
    harness.say(line, a_trade("11", at_ms=at(1)))
    harness.until(lambda: harness.left == 0)
    harness.until(lambda: harness.stored() == [at(1)])

    assert harness.fatal == []


@pytest.mark.parametrize(
    "kind", [Tick, FramesReceived, Subscribe], ids=lambda kind: str(kind.__name__)
)
def test_a_bug_in_a_connection_ends_its_epoch_and_a_restarted_one_listens(
    make_buggy: MakeBuggy, kind: type[Message]
) -> None:
    harness = make_buggy(SLOT, kind)
    line = harness.listen()
    if kind is Subscribe:
        harness.supervisor.tell(added(2))
    harness.say(line, a_book("11", "12"))
    lines = harness.diallers[SLOT].sockets
    harness.until(lambda: harness.left == 0)
    harness.until(lambda: len(lines) == 2 and lines[1].sent)
    harness.say(lines[1], a_trade("11", at_ms=at(7)))
    harness.until(lambda: harness.stored() == [at(7)])
    facts = [fact for batch in harness.store.batches for _, fact in batch.facts]
    closed = [fact for fact in facts if isinstance(fact, ListeningClosed)]

    assert [(fact.until_ns, fact.reason) for fact in closed] == [(None, "disconnected")]
    assert harness.health().restarts.children == {SLOT: 1}
    assert harness.fatal == []


def test_an_error_at_the_start_of_an_actor_is_found_without_a_report(
    make_buggy: MakeBuggy, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [2]

    def on_start(self: ConnectionActor) -> None:
        if self.child == SLOT and left[0]:
            left[0] -= 1
            bug(self)

    monkeypatch.setattr(ConnectionActor, "on_start", on_start)
    harness = make_buggy(SLOT, Tick, times=0)
    line = harness.listen()
    harness.say(line, a_trade("11", at_ms=at(1)))
    harness.until(lambda: harness.stored() == [at(1)])

    assert left == [0]
    assert harness.health().restarts.children == {SLOT: 2}
    assert harness.fatal == []


def test_a_connection_without_a_thread_is_started_again(
    make_buggy: MakeBuggy, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [3]
    plain = ConnectionActor._thread

    class Rejected(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    def thread(self: ConnectionActor) -> threading.Thread:
        if self.child == SLOT and left[0]:
            left[0] -= 1
            return Rejected()
        return plain(self)

    monkeypatch.setattr(ConnectionActor, "_thread", thread)
    harness = make_buggy(SLOT, Tick, times=0)
    line = harness.listen()
    harness.say(line, a_trade("11", at_ms=at(1)))
    harness.until(lambda: harness.stored() == [at(1)])

    assert left == [0]
    assert len(pykka.ActorRegistry.get_by_class(ConnectionActor)) == 2
    assert harness.fatal == []


def test_trades_of_a_replaced_connection_are_stored_when_it_wakes(
    make_buggy: MakeBuggy, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = make_buggy(SLOT, Tick, times=0)
    line = harness.listen()
    harness.say(line, a_book("11", "12"), a_trade("11", at_ms=at(1)))
    harness.until(lambda: harness.stored() == [at(1)])
    awake = threading.Event()
    hung = threading.Event()

    def hang() -> None:
        hung.set()
        assert awake.wait(WAIT_S)

    monkeypatch.setattr(line, "take_sample", hang)
    harness.until(hung.is_set)
    harness.say(line, a_trade("11", at_ms=at(2)))
    lines = harness.diallers[SLOT].sockets
    harness.until(lambda: len(lines) == 2 and lines[1].sent)
    awake.set()
    harness.until(lambda: harness.stored() == [at(1), at(2)])

    def ends() -> list[ListeningClosed]:
        facts = [(seq, fact) for batch in harness.store.batches for seq, fact in batch.facts]
        epoch = next(seq for seq, fact in facts if getattr(fact, "connection", "") == SLOT)
        closed = [fact for _, fact in facts if isinstance(fact, ListeningClosed)]
        return [fact for fact in closed if fact.epoch == epoch]

    harness.until(lambda: len(ends()) == 2)

    # The supervisor closed coverage first, so the late end changes nothing of it.
    assert [end.until_ns is None for end in ends()] == [True, False]
    assert line.ended is not None
    assert harness.health().restarts.children == {SLOT: 1}


def test_a_fourth_thread_that_hangs_ends_the_process(make_buggy: MakeBuggy) -> None:
    harness = make_buggy(SLOT, Tick, times=0)
    dialler = harness.diallers[SLOT]
    dialler.hangs = 4
    dialler.open.clear()
    try:
        harness.supervisor.tell(added(1))
        harness.until(lambda: harness.fatal)
    finally:
        dialler.open.set()

    assert harness.fatal[0] == (70, "too many threads are stuck")
    assert dialler.asked == 4
