"""An epoch: the coverage book of one connection, written into the journal as it grows.

Every method that writes raises `JournalFull` or `JournalFailed`, see `ports.Journal`.
"""

from collections.abc import Iterable

from actors.feed.coverage import CoverageBook
from actors.journal.recorder import Recorder
from actors.model import facts
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId

SLACK_S = 0.5
"""So much too early a mark is written, rather than that its connection is woken for it again."""


class Epoch:
    """What one life of a connection proves of its listening."""

    def __init__(self, recorder: Recorder, listening: CoverageBook, *, mark_s: float = 5.0) -> None:
        self._recorder = recorder
        self._listening = listening
        self._mark_s = mark_s
        self._turned_at = 0.0
        self._owes = False

    @staticmethod
    def begin(recorder: Recorder, spec: ConnectionSpec, at_ns: int) -> int:
        """Write that the connection shook hands; give the number of its epoch."""
        opened = facts.ListeningOpened(at_ns=at_ns, connection=spec.name, feed=spec.feed)
        return recorder.fact(opened)

    def confirm(self, tokens: tuple[TokenId, ...], at_ns: int) -> None:
        """Coverage of these begins."""
        self._write(facts.TokensConfirmed(epoch=self._number, at_ns=at_ns, tokens=tokens))

    @property
    def wakes_at(self) -> float:
        """Return when it is to turn again."""
        return self._turned_at + self._mark_s

    def turn(self, now: float) -> None:
        """Let a mark be due after every `mark_s`; it is best written with the next frame.

        That proves the time until now. What was proven long ago, or is due since the
        turn before because no frame came, does not wait.
        """
        if now < self.wakes_at - SLACK_S:
            return
        self._turned_at = now
        if self._owes or self._listening.unmarked_ns >= self._mark_s * 1e9:
            self.mark()
        self._owes = True

    def heard(self) -> None:
        """A frame was handled: write the mark that is due, if this proved anything."""
        if self._owes and self.mark():
            self._owes = False

    def mark(self) -> bool:
        """Write until when everything was heard; False when that has not moved."""
        until_ns = self._listening.mark()
        if until_ns is not None:
            self._write(facts.ListeningProven(proofs=((self._number, until_ns),)))
        return until_ns is not None

    def release(self, tokens: tuple[TokenId, ...], cause: str) -> None:
        """Coverage of these ends at the proof."""
        released = self._listening.release(tokens)
        if released:
            self._end(released, self._listening.proven_until_ns, cause)

    def doubt(self, tokens: Iterable[TokenId]) -> None:
        """Coverage of these ended when each was last heard."""
        for token in tokens:
            until_ns = self._listening.doubt(token)
            if until_ns is not None:
                self._end((token,), until_ns, "deaf")

    def close(self, at_ns: int, cause: str) -> None:
        """End what began; before it began there is nothing to end."""
        if self._number:
            until_ns = self._listening.proven_until_ns or None
            self._write(
                facts.ListeningClosed(
                    epoch=self._number, at_ns=at_ns, until_ns=until_ns, reason=cause
                )
            )

    @property
    def _number(self) -> int:
        return self._listening.epoch

    def _end(self, tokens: tuple[TokenId, ...], until_ns: int, cause: str) -> None:
        self._write(
            facts.TokensReleased(epoch=self._number, until_ns=until_ns, tokens=tokens, cause=cause)
        )

    def _write(self, fact: facts.Fact) -> None:
        self._recorder.fact(fact)
