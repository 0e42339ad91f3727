"""`tracker --reingest`: reads the kept messages again, as this version understands them.

What a version cannot read it keeps verbatim in `rejected_messages`. A later one may find trades in
it: each is stored once, with the identity that it would have had at once, whatever else that
version finds, because events that cannot be read are numbered as trades are.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from actors.app.database_of import database_of
from actors.config.settings import Config
from actors.database.commands.kept import (
    BEGINNING,
    KeptMessage,
    KeptMessages,
    Step,
    Understood,
    understand_row,
)
from actors.model import facts
from actors.model.trade import Trade, trade_hashes
from actors.polymarket import channel
from actors.polymarket.alike import MOST_ALIKE, TOO_MANY
from actors.polymarket.fields import DAY_MS
from actors.writer.gather import replay

PROGRESS_S = 10.0
"""Seconds between two lines that say how far it is."""
_MOST_REASONS = 20


# ------------------------------------------------------------------- understand


def understand(message: KeptMessage) -> Understood:
    """Return what a kept message holds. Pure, and the same at each call."""
    if message.seq is None:
        return understand_row(message)
    if message.connection == "journal":
        return _record(message, message.seq)
    decoded = channel.decode(
        (message.payload,), message.received_at_ns, message.exchange_ms + DAY_MS
    )
    reason = decoded.rejections[0].reason if decoded.rejections else ""
    trades = numbered(decoded.trades, message.occurrence)
    within = tuple(trade for trade in trades if trade.occurrence <= MOST_ALIKE)
    return Understood(within, reason or (TOO_MANY if len(within) < len(trades) else ""))


def numbered(trades: tuple[Trade, ...], occurrence: int) -> tuple[Trade, ...]:
    """Return the trades of one message with their occurrences.

    Args:
        trades: As decoded: each the first of its kind. Of more than one they were a whole frame.
        occurrence: That of the message: so many with the same bytes came, each with these trades.
    """
    kinds = [
        (trade.token_id, trade.traded_at_ms, digest)
        for trade, digest in zip(trades, trade_hashes(trades), strict=True)
    ]
    each, before = Counter(kinds), Counter[tuple[str, int, int]]()
    found = []
    for trade, kind in zip(trades, kinds, strict=True):
        before[kind] += 1
        number = (occurrence - 1) * each[kind] + before[kind]
        found.append(msgspec.structs.replace(trade, occurrence=number))
    return tuple(found)


def _record(message: KeptMessage, seq: int) -> Understood:
    """Return what a record of the journal holds that the version before could not read."""
    try:
        record = facts.decode(message.payload)
    except msgspec.DecodeError:
        return Understood(reason=message.reason)
    if isinstance(record, facts.FrameSeen):
        record = record.as_frames
    if not isinstance(record, facts.FramesSeen):
        return Understood(fact=(seq, record))
    trades, rejections = replay(record)
    return Understood(trades, rejections[0].reason if rejections else "")


# -------------------------------------------------------------------------- run


class Summary:
    """Sums up steps.

    Attributes:
        read: Messages that were read.
    """

    def __init__(self) -> None:
        self.read = self._taken_in = self._trades = self._stored = self._covered = 0
        self._left: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()

    def add(self, step: Step) -> None:
        """Add a step."""
        self.read += step.messages
        self._taken_in += step.taken_in
        self._trades += step.trades
        self._stored += step.stored
        self._covered += step.covered
        self._rows += step.rows
        for reason, count in step.left.items():
            # Behind a colon the database speaks, each time of something else.
            self._left[reason.partition(": ")[0]] += count

    def lines(self, kept: int, *, stopped: bool) -> Iterator[str]:
        """Yield lines for people.

        Args:
            kept: How many messages are not taken in now.
            stopped: Not all were read that could be.
        """
        left = self._left.total()
        yield f"kept messages read: {self.read}"
        yield f"taken in: {self._taken_in}"
        again = self._trades - self._stored
        yield f"trades in them: {self._trades}, {self._stored} new, {again} stored already"
        if self._rows:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self._rows.most_common())
            yield f"other rows in them: {self._rows.total()} ({kinds})"
        yield f"gaps closed: {self._covered} (one of each token and connection)"
        yield f"still not understood: {left}"
        for reason, count in self._left.most_common(_MOST_REASONS):
            yield f"  {count}  {reason}"
        if kept > left:
            why = "it was stopped" if stopped else "their connections have not ended"
            yield f"not read: {kept - left}, as {why}; run it again"


class Reingest:
    """Takes in what is kept, step by step, until all of it was read or it is asked to stop.

    Args:
        config: Names the database.
        since: Only messages received then or later; None: all.
        say: Is given each line of the result.
        understand: Reads a message.
    """

    def __init__(
        self,
        config: Config,
        since: datetime | None,
        say: Callable[[str], None],
        understand: Callable[[KeptMessage], Understood] = understand,
    ) -> None:
        self._config = config
        self._since = since or BEGINNING
        self._say = say
        self._understand = understand
        self._stopped = False
        self._messages: KeptMessages | None = None

    def request_stop(self) -> None:
        """End after the current step; at the second call at once. From any thread."""
        messages = self._messages
        if self._stopped and messages is not None:  # the database may not answer
            messages.abort()
        self._stopped = True

    def run(self) -> None:
        """Do it.

        Raises:
            StoreUnavailable: The database does not answer. What was taken in before is stored.
            SchemaMismatch: Its schema is not that of this version.
            ConfigError: There is no database, or it does not permit it.
        """
        with database_of(self._config) as dsn:
            self._messages = messages = KeptMessages(dsn)
            try:
                self._run(messages)
            finally:
                messages.close()

    def _run(self, messages: KeptMessages) -> None:
        summary, after, said_at = Summary(), 0, time.monotonic()
        while not self._stopped:
            step = messages.step(after, self._since, self._understand)
            if step is None:
                break
            summary.add(step)
            after = step.until
            if time.monotonic() - said_at >= PROGRESS_S:
                said_at = time.monotonic()
                sys.stderr.write(f"{summary.read} kept messages read\n")
        kept = messages.count(self._since)
        for line in summary.lines(kept, stopped=self._stopped):
            self._say(line)
