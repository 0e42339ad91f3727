"""When the writer tries the database, and how much one transaction takes."""

from random import Random
from typing import Final

from actors.backoff import Backoff
from actors.errors import (
    ConfigError,
    JournalFull,
    SchemaMismatch,
    SchemaNewer,
    StorePoisoned,
    StoreUnavailable,
)
from actors.model.storage import AWAY, BEHIND, LIVE, MISMATCH, OUTDATED, STOPPED, TakenIn

UNUSABLE: Final = (
    *(StoreUnavailable, StorePoisoned, JournalFull),
    *(SchemaNewer, SchemaMismatch, ConfigError),
)
"""Why nothing can be stored for now. None of them ends a process that runs."""
STOPPED_S: Final = 300.0
"""How long nothing is stored after the database rejected too much of it, in seconds."""
OUTDATED_S: Final = 60.0
"""How often it is looked whether this version may write again (the database was restored)."""
UNUSABLE_S: Final = 60.0
"""How often it is looked whether a person has set the database right."""
PROBE_S: Final = (0.5, 1.5)
"""Between two tries to reach a database that does not answer, in seconds. With a Tick each second,
and up to 2 s until a lost packet of the handshake is sent again, it is used within 5 s after it
answers. A try costs the server a connection, the tracker a millisecond."""
STEADY_S: Final = 30.0
"""A database that was open for so long worked, and was not merely reached."""
LEAST_SHARE: Final = 1 / 64
"""The smallest batch, as a share of a full one."""


class DatabaseState:
    """Keeps the state of the database as the writer sees it. In the thread of the writer.

    Args:
        rng: Source of the jitter of retries.

    Attributes:
        state: One of those in `model/storage.py`; `away` at first.
        is_open: Whether something can be stored.
        is_live: Whether messages can be stored as they come.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._backoff = Backoff(rng)
        self._try_at = 0.0
        self._opened_at = 0.0
        self._enter(AWAY)

    def _enter(self, state: str) -> None:
        # Plain attributes: they are read for each message.
        self.state = state
        self.is_open = state in (BEHIND, LIVE)
        self.is_live = state == LIVE

    def opened(self, now: float) -> None:
        """Record that it was opened now."""
        self._opened_at = now

    def fell_behind(self) -> None:
        """Enter `behind`: the journal is read until its end."""
        self._enter(BEHIND)

    def caught_up(self) -> None:
        """Enter `live`: the journal was read to its end."""
        self._enter(LIVE)

    def lost(self, now: float) -> float:
        """Enter `away`; return how many seconds to wait before the next try.

        Each opening brings questions for all markets, and whatever the other actors hold back. So
        after openings that led to nothing the waits grow, up to a minute.
        """
        failed_at_once = self.is_open and now - self._opened_at < STEADY_S
        wait_s = self._backoff.delay_s() if failed_at_once else self._rng.uniform(*PROBE_S)
        return self._wait(AWAY, now, wait_s)

    def unusable(self, now: float) -> float:
        """Enter `away` until a person acts; return how many seconds to wait before the next try."""
        return self._wait(AWAY, now, UNUSABLE_S)

    def stopped(self, now: float) -> float:
        """Enter `stopped`; return how many seconds to wait before the next try."""
        return self._wait(STOPPED, now, STOPPED_S)

    def outdated(self, now: float) -> float:
        """Enter `outdated`; return how many seconds to wait before the next try."""
        return self._wait(OUTDATED, now, OUTDATED_S)

    def mismatched(self, now: float) -> float:
        """Enter `mismatch`; return how many seconds to wait before the next try."""
        # As often as one that is away: its restore may end at any moment.
        return self._wait(MISMATCH, now, self._rng.uniform(*PROBE_S))

    def _wait(self, state: str, now: float, delay_s: float) -> float:
        self._enter(state)
        self._try_at = now + delay_s
        return delay_s

    def retry_due(self, now: float) -> bool:
        """Return whether to try now; while the database is open, note that it still is."""
        if self.is_open:
            self._backoff.succeeded(now)
            return False
        return now >= self._try_at


class HousekeepingPace:
    """Says when a step of housekeeping is due: one with each Tick, and then none for a while.

    Args:
        first_s: Until the first step, so that it delays no start.
        rest_s: From the last step to the next first one.
    """

    def __init__(self, now: float, *, first_s: float = 600.0, rest_s: float = 21_600.0) -> None:
        self._due_at = now + first_s
        self._rest_s = rest_s

    def due(self, now: float) -> bool:
        """Return whether to do the next step now."""
        return now >= self._due_at

    def ended(self, now: float) -> None:
        """Rest; the last step is done."""
        self._due_at = now + self._rest_s


class RejectedTrades:
    """Counts the trades that the database had rejected, and says when to try them again.

    Soon after the first one, after each opening of the database, and after a try that took in some;
    otherwise less and less: each of them may have to be tried by itself.

    Args:
        first_s: Until the first try; the first rest doubles it, and each further one the last.
        most_s: The longest rest.

    Attributes:
        waiting: How many are not taken in, of all trackers of the database.
        after: Behind which of them the next step begins.
    """

    def __init__(self, *, first_s: float = 10.0, most_s: float = 600.0) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._rest_s = first_s
        self._due_at: float | None = None
        self._taken_in = 0
        self._reason = ""
        self._is_trying = False
        self.waiting = self.after = 0

    def opened(self, waiting: int) -> None:
        """Take the number that the database tells when it is opened."""
        self.waiting, self.after, self._taken_in = waiting, 0, 0
        # Lost over a try: the next one waits longer, or storing would be cut off again and again.
        self._rest_s = min(self._most_s, 2 * self._rest_s) if self._is_trying else self._first_s
        self._due_at, self._is_trying = None, False

    def rejected(self, trades: int) -> None:
        """Count trades that the database has just rejected."""
        if trades and not self.waiting:
            self._rest_s, self._due_at = self._first_s, None
        self.waiting += trades

    def due(self, now: float) -> bool:
        """Return whether to do the next step now."""
        if not self.waiting:
            return False
        if self._due_at is None:
            self._due_at = now + self._rest_s
        self._is_trying = now >= self._due_at
        return self._is_trying

    def took(self, done: TakenIn, now: float) -> TakenIn | None:
        """Take what a step did; after the last one of all return what all of them did."""
        self.waiting, self._is_trying = done.left, False
        self._taken_in += done.trades
        self._reason = done.reason or self._reason
        if done.until is not None:
            self.after = done.until
            return None
        summed = TakenIn(trades=self._taken_in, reason=self._reason, left=done.left)
        self._rest_s = self._first_s if self._taken_in else min(self._most_s, 2 * self._rest_s)
        self._due_at = now + self._rest_s
        self.after, self._taken_in, self._reason = 0, 0, ""
        return summed


class BatchSize:
    """Bounds one transaction: less after one that was cut off, more with each that succeeded.

    Otherwise a database that is too slow for a full batch within its time limit would be
    given the same batch for ever.

    Args:
        most_trades: Trades of a full batch.
        most_records: Journal records of a full batch.

    Attributes:
        trades: How many trades and rejections the next batch may have; at least one.
        records: How many journal records it may have; at least one.
    """

    def __init__(self, *, most_trades: int, most_records: int) -> None:
        self._most_trades = most_trades
        self._most_records = most_records
        self._set(1.0)

    def _set(self, share: float) -> None:
        self._share = share
        self.trades = max(1, int(self._most_trades * share))
        self.records = max(1, int(self._most_records * share))

    def failed(self) -> None:
        """Halve the next batch."""
        self._set(max(LEAST_SHARE, self._share / 2))

    def succeeded(self) -> None:
        """Double the next batch, up to a full one."""
        self._set(min(1.0, self._share * 2))
