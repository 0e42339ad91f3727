"""When rows that the database refuses are no accident any more, but a fault of ours.

A row that cannot be stored is set aside and the others are stored: that is for
the one print in a million that passed our checks and not the database's. When
it happens often, the rows are right and we are wrong; then nothing may be set
aside, and everything waits in the journal for a version that knows better.
"""

SHARE = 0.01
"""More refused of one batch than this share is no accident …"""

LEAST_ROWS = 100
"""… when the batch has so many rows at least."""

MOST_IN_A_ROW = 100
"""More refused one after the other than this is none either, whatever the batches."""


class Tolerance:
    """Counts through the batches of one session with the database."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._rows = self._refused = 0

    def begin(self, rows: int) -> None:
        """Begin a batch of so many rows."""
        self._rows, self._refused = rows, 0

    def passed(self, rows: int) -> None:
        """So many were stored."""
        if rows:
            self._in_a_row = 0

    def refused(self) -> str:
        """One was refused; give why that is one too many, or nothing."""
        self._in_a_row += 1
        self._refused += 1
        if self._in_a_row > MOST_IN_A_ROW:
            return f"{self._in_a_row} rows in a row"
        if self._rows >= LEAST_ROWS and self._refused > self._rows * SHARE:
            return f"more than {SHARE:.0%} of {self._rows} rows"
        return ""
