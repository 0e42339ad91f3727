"""The backlog: facts that wait for room in the journal, in order."""

from collections import deque

from actors.errors import JournalFailed, JournalFull
from actors.journal.recorder import Recorder
from actors.model import facts
from actors.model.trade import TokenId

FACT_TOKENS = 1_000
MOST_FACTS = 10_000

OfTokens = type[facts.TokensWanted] | type[facts.TokensUnwanted]


class Backlog:
    """Writes facts down at once, or as soon as the disk has room for them.

    Only changes of the plan and unexpected deaths end up here, so that `MOST_FACTS`
    are days of a full disk; then the process gives up, and the catalogue of the
    next one brings the plan again.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._facts: deque[facts.Fact] = deque()

    def __len__(self) -> int:
        """Give how many facts wait."""
        return len(self._facts)

    def add(self, fact: facts.Fact) -> None:
        """Let a fact wait behind those that wait already.

        Raises:
            JournalFailed: Too many wait.
        """
        if len(self._facts) >= MOST_FACTS:
            raise JournalFailed(f"the disk has had no room for {MOST_FACTS} facts")
        self._facts.append(fact)

    def add_tokens(self, kind: OfTokens, at_ns: int, tokens: tuple[TokenId, ...]) -> None:
        """Let facts about tokens wait, in records of bounded size.

        Raises:
            JournalFailed: See `add`.
        """
        for start in range(0, len(tokens), FACT_TOKENS):
            self.add(kind(at_ns=at_ns, tokens=tokens[start : start + FACT_TOKENS]))

    def alive(self, at_ns: int) -> None:
        """Note a sign of life; behind facts that wait it would be out of date, so it is let go.

        Raises:
            JournalFailed: See `add`.
        """
        if self.write():
            self.add(facts.ProcessAlive(at_ns=at_ns))
            if not self.write():
                self._facts.pop()

    def write(self) -> bool:
        """Journal what waits, oldest first; give False when there was no room for all.

        Raises:
            JournalFailed: The disk does not take it.
        """
        while self._facts:
            try:
                self._recorder.fact(self._facts[0])
            except JournalFull:
                return False
            self._facts.popleft()
        return True
