"""The threads that ask the sources: none keeps another waiting, and they end with their actor."""

import queue
import threading
import time
from collections.abc import Iterator, Sequence

import pykka
import pytest

from actors.actor import Addresses, Incarnation
from actors.messages import MarketsRestored, Message, Tick
from actors.model.market import Source
from actors.model.trade import ConditionId
from actors.polymarket.gamma import parse_market
from actors.resolution.actor import ResolutionActor, ResolutionSettings
from actors.resolution.asking import SourceAnswered, ThreadAsker
from actors.resolution.polling import Request
from tests.fakes_box import Box
from tests.fakes_http import WALL_MS, FakeMarket, FakePolymarket, condition

pytestmark = pytest.mark.live

WAIT_S = 10.0


class Mail:
    """A mailbox that a test waits at."""

    def __init__(self) -> None:
        self._received: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def tell(self, message: Message) -> None:
        self._received.put(message)

    def next(self) -> SourceAnswered:
        message = self._received.get(timeout=WAIT_S)
        assert isinstance(message, SourceAnswered)
        return message


class Hanging(FakePolymarket):
    """Its Data API answers when a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for = threading.Event()
        self.answers = threading.Event()

    def resolutions(self, ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        self.asked_for.set()
        assert self.answers.wait(WAIT_S)
        return super().resolutions(ids)


def asking() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name.startswith("ask-")}


def gone(threads: set[threading.Thread]) -> bool:
    for each in threads:
        each.join(WAIT_S)
    return not any(each.is_alive() for each in threads)


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    pykka.ActorRegistry.stop_all(timeout=WAIT_S)
    assert gone(asking())


def test_a_source_that_hangs_keeps_no_other_one_waiting() -> None:
    web, mail = Hanging(), Mail()
    web.add(FakeMarket(1))
    asker = ThreadAsker({Source.DATA: web, Source.CLOB: FakePolymarket()}, None)
    slow = Request(Source.DATA, (condition(1),))
    asker.ask(slow, mail)
    for _ in range(3):
        quick = Request(Source.CLOB, (condition(1),))
        asker.ask(quick, mail)
        assert mail.next().request is quick
    web.answers.set()
    assert mail.next().request is slow
    assert len(asking()) == 2
    asker.close()


def test_a_source_is_asked_again_although_an_abandoned_call_hangs() -> None:
    web, mail = Hanging(), Mail()
    asker = ThreadAsker({Source.DATA: web}, None)
    first, second = (Request(Source.DATA, (condition(1),)) for _ in range(2))
    asker.ask(first, mail)
    assert web.asked_for.wait(WAIT_S)
    asker.abandon(Source.DATA)
    asker.ask(second, mail)
    web.answers.set()
    assert {id(mail.next().request) for _ in range(2)} == {id(first), id(second)}
    asker.close()


def test_an_actor_that_ends_waits_for_no_call_and_its_threads_end_after_it() -> None:
    web = Hanging()
    web.add(FakeMarket(1, end_ms=WALL_MS))
    supervisor = Box()
    started = Tick(now=1000.0, wall_ns=WALL_MS * 1_000_000)
    ref = ResolutionActor.start(
        Incarnation("resolution", 2, started),
        to=Addresses(supervisor=supervisor, writer=Box(), catalog=Box()),
        asker=ThreadAsker({each: web for each in Source if each is not Source.CHAIN}, web),
        settings=ResolutionSettings(poll_s=60.0, hold_s=120.0),
    )
    market = web.markets[condition(1)]
    ref.tell(started)
    ref.tell(MarketsRestored(markets=(parse_market(market.gamma()),)))
    ref.tell(Tick(now=1011.0, wall_ns=(WALL_MS + 11_000) * 1_000_000))
    assert web.asked_for.wait(WAIT_S)
    threads = asking()
    began = time.monotonic()
    ref.stop(timeout=WAIT_S)
    assert time.monotonic() - began < WAIT_S / 2
    assert any(each.is_alive() for each in threads)  # the call under way
    web.answers.set()  # its answer goes to an actor that has ended
    assert gone(threads)
    assert web.closed == 4
