"""The books: everything received is stored, repeated, refused or in the journal.

The writer tells of each commit after it; when it dies or loses the database in
between, a commit may stay untold, or what was committed out of order is read
and counted again. So after `lost_count` the next empty journal, which can hide
nothing, settles the difference, and shows it as `adjusted`.
"""

from actors.health.document import Books
from actors.health.reported import CommitFigures


class Tally:
    """Counts prints and refused events alike, from the journal's side and the writer's."""

    def __init__(self) -> None:
        self._received = self._recovered = self._adjusted = 0
        self._stored = self._repeated = self._refused = 0
        self._mark, self._next_seq = 0, 0
        self._unsure = False

    def appended(self, weight: int, *, next_seq: int) -> None:
        """So much was appended to the journal by this process, up to below `next_seq`."""
        self._received, self._next_seq = weight, next_seq
        self._settle()

    def committed(self, said: CommitFigures) -> None:
        """A transaction committed."""
        self._stored += said.stored
        self._repeated += said.repeated
        self._refused += said.refused
        self._recovered += said.recovered
        self._mark = max(self._mark, said.mark)

    def lost_count(self) -> None:
        """What the writer told may differ from what it committed."""
        self._unsure = True

    @property
    def pending_records(self) -> int:
        """Give the number of journal records from the mark on."""
        return max(0, self._next_seq - self._mark)

    def books(self) -> Books:
        """Give the books. A difference that the journal cannot explain is one in fact."""
        left = self._left
        return Books(
            received=self._received,
            recovered=self._recovered,
            adjusted=self._adjusted,
            stored=self._stored,
            repeated=self._repeated,
            refused=self._refused,
            in_journal=max(0, left),
            balanced=self._unsure or left == 0 or (left > 0 and self.pending_records > 0),
        )

    @property
    def _left(self) -> int:
        came = self._received + self._recovered + self._adjusted
        return came - self._stored - self._repeated - self._refused

    def _settle(self) -> None:
        if self._unsure and self.pending_records == 0 and self._mark:
            self._adjusted -= self._left
            self._unsure = False
