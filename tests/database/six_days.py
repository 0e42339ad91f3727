"""Resolution actor and writer on a database, in virtual time, restarted again and again.

Both actors are the real ones, without threads. The database dates what it records by the virtual
clock, too (`VIRTUAL`), so that rechecks fall due as they would. Seconds are those since `START_MS`.
"""

from collections.abc import Callable

import psycopg

from actors.actor import Addresses, Incarnation
from actors.database.store import Store
from actors.messages import (
    MarketsSeen,
    MarketStateChanged,
    Message,
    Open,
    ResolutionHint,
    Tick,
    UniverseChanged,
)
from actors.model.market import Market, Source, Transition
from actors.polymarket.gamma import parse_market
from actors.resolution.actor import ResolutionActor, ResolutionSettings
from tests.database.samples import ns
from tests.fakes import FakeJournal, FakeStore
from tests.fakes_asking import FakeAsker
from tests.fakes_box import Box, drain
from tests.fakes_http import FakeMarket, FakePolymarket
from tests.postgres import do
from tests.writer.test_actor import WriterHarness

START_MS = ns(0) // 1_000_000
POLL_S, HOLD_S = 60.0, 330.0
DELAYS_S = {Source.GAMMA: 0.3, Source.DATA: 0.3, Source.CLOB: 0.1}
SET_CLOCK = b"update public.virtual_clock set now = to_timestamp(%s::bigint / 1000.0)"
VIRTUAL = (
    "create table public.virtual_clock (now timestamptz not null)",
    "insert into public.virtual_clock values ('epoch')",
    """create function date_virtually() returns trigger language plpgsql as $$
    begin
      select now into new.recorded_at from public.virtual_clock;
      return new;
    end $$""",
    *(
        f"create trigger date_virtually before insert on {name}"
        " for each row execute function date_virtually()"
        for name in ("resolutions", "resolution_observations", "resolution_confirmations")
    ),
)
"""Makes the database date what it records by the row of `virtual_clock`."""


class ToWriter(Box):
    """Passes on what it receives, and keeps the changes of states.

    Attributes:
        waits: Whether something of it is not stored yet.
        pass_on: Hands a message to the writer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits = False
        self.pass_on: Callable[[Message], None] = lambda _: None

    def tell(self, message: Message) -> None:
        self.waits |= hasattr(message, "ticket")
        if isinstance(message, MarketStateChanged):
            self.received.append(message)
        self.pass_on(message)


class RestartedTracker:
    """Resolution actor and writer of one tracker after another, with one clock.

    Attributes:
        web: What the sources report.
        now: Virtual seconds.
        restarts: How often the tracker was started again.
    """

    def __init__(self, dsn: str, web: FakePolymarket) -> None:
        self.web = web
        self.now = 0.0
        self.restarts = -1
        self._dsn = dsn
        self._journal = FakeJournal()
        self._to_writer = ToWriter()
        self._plans: list[tuple[float, Callable[[], None]]] = []
        for command in VIRTUAL:
            do(dsn, command)
        self._clock = psycopg.connect(dsn, autocommit=True)
        self._start()

    def close(self) -> None:
        """Close the connections."""
        self._writer.actor.on_stop()
        self._clock.close()

    @property
    def tick(self) -> Tick:
        return Tick(now=1_000.0 + self.now, wall_ns=START_MS * 1_000_000 + int(self.now * 1e9))

    @property
    def sent(self) -> list[Transition]:
        """Return the changes of states that all actors have sent, stored or not."""
        return [each.transition for each in self._to_writer.of(MarketStateChanged)]

    # -------------------------------------------------------------- start, stop

    def restart(self, *, after_s: float) -> None:
        """Kill the tracker: what is not stored is lost; start it again so much later."""
        self._writer.actor.on_stop()
        self._pass(after_s)
        self._start()

    def _start(self) -> None:
        self.restarts += 1
        self._to_writer.waits = False
        store: FakeStore = Store(self._dsn)  # type: ignore[assignment]
        self._writer = WriterHarness(journal=self._journal, store=store)
        self._supervisor, self._catalog = Box(), Box()
        self._asker = FakeAsker(self.web, chain=False)
        self._asker.delays_s, self._asker.now = DELAYS_S, self.now
        self._actor = ResolutionActor(
            Incarnation("resolution", 1, self.tick),
            to=Addresses(
                supervisor=self._supervisor, writer=self._to_writer, catalog=self._catalog
            ),
            asker=self._asker,
            settings=ResolutionSettings(poll_s=POLL_S, hold_s=HOLD_S),
        )
        self._to_writer.pass_on = self._writer.actor.on_receive
        self._writer.actor.on_receive(self.tick)
        self._writer.actor.on_receive(Open())
        self._deliver()

    # -------------------------------------------------------------------- time

    def at(self, seconds: float, change: Callable[[], None]) -> None:
        """Plan a change of what the sources report."""
        self._plans.append((seconds, change))
        self._plans.sort(key=lambda plan: plan[0])

    def run(self, until: float, *, step_s: float) -> None:
        """Let time pass, a tick at each step."""
        while self.now < until:
            self._step(min(step_s, until - self.now))

    def _step(self, seconds: float) -> None:
        # What the step before has found is stored now, unless the tracker was killed meanwhile.
        self._flush()
        self._pass(seconds, answers=True)
        for actor in (self._writer.actor, self._actor):
            actor.on_receive(self.tick)
        self._deliver()

    def _pass(self, seconds: float, *, answers: bool = False) -> None:
        end = self.now + seconds
        while self._plans and self._plans[0][0] <= end:
            at, change = self._plans.pop(0)
            self._answers(at, handled=answers)
            change()
        self._answers(end, handled=answers)
        self.now = end

    def _answers(self, until: float, *, handled: bool) -> None:
        """Let the answers arrive that are under way until then."""
        while handled and (at := self._asker.next_at) is not None and at <= until:
            self._asker.deliver()
            self._deliver()
        self._asker.now = until

    def _flush(self) -> None:
        if self._to_writer.waits:
            self._to_writer.waits = False
            milliseconds = START_MS + int(self.now * 1000)
            self._clock.execute(
                b"update public.virtual_clock set now = to_timestamp(%s::bigint / 1000.0)",
                (milliseconds,),
            )
            self._writer.flush()
            self._deliver()

    def _deliver(self) -> None:
        """Let both actors handle what they were sent, until nothing is left."""
        drain(self._writer.actor)
        while self._writer.resolution.received:
            waiting = tuple(self._writer.resolution.received)
            self._writer.resolution.clear()
            for message in waiting:
                self._actor.on_receive(message)
            drain(self._writer.actor)
        drain(self._actor)
        for box in (self._writer.catalog, self._writer.supervisor, self._supervisor, self._catalog):
            box.clear()

    # ---------------------------------------------------------- other actors

    def announce(self, *markets: FakeMarket) -> None:
        """Store markets and watch them, as the catalog does."""
        found = tuple(map(parsed, markets))
        self.seen(*found)
        self._actor.on_receive(UniverseChanged(added=found, removed=()))
        self._deliver()

    def seen(self, *markets: Market) -> None:
        """Store what the catalog has read of markets."""
        self._to_writer.tell(MarketsSeen(ticket=1, markets=markets))

    def hint(self, market: FakeMarket) -> None:
        """Report that a market resolved, as the feed does."""
        self._actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        self._deliver()


def parsed(market: FakeMarket) -> Market:
    """Return a market as the catalog reads it now."""
    return parse_market(market.gamma())
