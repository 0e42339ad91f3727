"""An epoch: the coverage of one run of a connection, written into the journal as it grows.

Every method that writes raises `JournalFull` or `JournalFailed`, see `journal.recorder`.
"""

from collections.abc import Collection, Iterable

from actors.feed.coverage import CoverageBook, Slip
from actors.feed.doubts import Withdrawn
from actors.feed.silence import SilentTokens
from actors.journal.recorder import Recorder
from actors.model import facts
from actors.model.connection import ConnectionSpec, GapCause
from actors.model.trade import TokenId

SLACK_S = 0.5
"""A proof is written so much too early rather than that the connection is woken for it again."""


def open_epoch(recorder: Recorder, spec: ConnectionSpec, at_ns: int) -> int:
    """Write that the connection completed its handshake; return the number of its epoch."""
    return recorder.fact(facts.ListeningOpened(at_ns=at_ns, connection=spec.name, feed=spec.feed))


class Epoch:
    """Writes what one connection proves of its coverage. In the thread of its actor.

    Args:
        proof_s: Seconds between two proofs that are written.

    Attributes:
        silent: What snapshots prove beyond the proof.
    """

    def __init__(self, recorder: Recorder, coverage: CoverageBook, *, proof_s: float = 5.0) -> None:
        self._recorder = recorder
        self._coverage = coverage
        self.silent = SilentTokens()
        self._proof_s = proof_s
        self._checked_at = 0.0
        self._proof_due = False
        self._closed = False

    @property
    def wakes_at(self) -> float:
        """Return when `check` is to be called next, monotonic seconds."""
        return self._checked_at + self._proof_s

    def check(self, now: float) -> None:
        """Make a proof due after every `proof_s`; it is best written with the next frame.

        That frame proves the time until now. A proof that moved long ago, or that was due
        at the last check already because no frame came, is written at once.
        """
        if now < self.wakes_at - SLACK_S:
            return
        self._checked_at = now
        if self._proof_due or self._coverage.unwritten_ns >= self._proof_s * 1e9:
            self.write_proof()
        self._proof_due = True

    def frame_handled(self) -> None:
        """Write the proof if one is due and the handled frame moved it."""
        if self._proof_due and self.write_proof():
            self._proof_due = False

    def write_proof(self) -> bool:
        """Write until when everything was received; return False when that has not moved."""
        until_ns = self._coverage.take_proof()
        if until_ns is not None:
            self._write(facts.ListeningProven(proofs=((self._number, until_ns),)))
        return until_ns is not None

    def renew(self, spec: ConnectionSpec, at_ns: int) -> None:
        """Begin another epoch on the same socket, which goes on where this one is proven.

        For a database that has forgotten this one. Nothing happens before there is one.
        """
        if not self._number or self._closed:
            return
        self.write_proof()
        self._coverage.epoch = open_epoch(self._recorder, spec, at_ns)
        for since_ns, tokens in self._coverage.beginnings().items():
            self.confirm(tuple(tokens), max(since_ns, self._coverage.proven_until_ns))

    def confirm(self, tokens: tuple[TokenId, ...], at_ns: int) -> None:
        """Write that the coverage of these begins."""
        self._write(facts.TokensConfirmed(epoch=self._number, at_ns=at_ns, tokens=tokens))

    def slip(self, slips: Iterable[Slip]) -> None:
        """Write that the coverage of these began later than was written."""
        for tokens, from_ns, since_ns in slips:
            # What was written is ended where it began, so it holds no time.
            self._write_release(tokens, from_ns, GapCause.CLOCK_STEP.value)
            self.confirm(tokens, since_ns)

    def release(self, tokens: tuple[TokenId, ...], cause: str) -> None:
        """Write that the coverage of these ends at the proof, or with their proven silence."""
        self._end_silence(cause, set(tokens))
        released = self._coverage.release(tokens)
        if released:
            # At the proof and not now: whether something was lost after it is not known.
            self._write_release(released, self._coverage.proven_until_ns, cause)

    def withdraw(self, tokens: Iterable[TokenId]) -> None:
        """Write that the coverage of each of these ended when it was last received."""
        for token in tokens:
            until_ns = self._coverage.withdraw(token)
            if until_ns is None and self._coverage.doubted.pop(token, None) is not None:
                # Its coverage has ended already. Written all the same: it must not go on when
                # the doubt is removed.
                until_ns = self._coverage.proven_until_ns
            if until_ns is not None:
                self._write_release((token,), until_ns, GapCause.TOKEN_MISSED.value)

    def doubt(self, withdrawn: Iterable[Withdrawn]) -> None:
        """Write that the coverage of these ended: an event that may be a trade was not read."""
        for tokens, until_ns in withdrawn:
            self._write_release(tokens, until_ns, GapCause.REJECTED.value)

    def close(self, at_ns: int, cause: str) -> None:
        """Write the end of the epoch; one that was never opened needs none."""
        self._end_silence(cause, set(self._coverage.confirmed))
        self._closed = True
        if self._number:
            until_ns = self._coverage.proven_until_ns or None
            self._write(
                facts.ListeningClosed(
                    epoch=self._number, at_ns=at_ns, until_ns=until_ns, reason=cause
                )
            )

    def _end_silence(self, cause: str, tokens: Collection[TokenId]) -> None:
        """Write that tokens whose silence is proven beyond the proof end where that does."""
        for until_ns, silent in self.silent.take(tokens, self._coverage.proven_until_ns).items():
            self._write_release(self._coverage.release(silent), until_ns, cause)

    @property
    def _number(self) -> int:
        return self._coverage.epoch

    def _write_release(self, tokens: tuple[TokenId, ...], until_ns: int, cause: str) -> None:
        self._write(
            facts.TokensReleased(epoch=self._number, until_ns=until_ns, tokens=tokens, cause=cause)
        )

    def _write(self, fact: facts.Fact) -> None:
        self._recorder.fact(fact)
