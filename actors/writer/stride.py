"""How much one transaction takes: less after one that was cut off, more with each that held.

A database that is too slow for a full batch within the time that is given to it
would else be asked for the same batch for ever.
"""

LEAST = 1 / 64


class Stride:
    """A share of the most that a transaction may carry.

    Args:
        most_prints: Prints of a full batch.
        most_records: Journal records of a full batch.
    """

    def __init__(self, *, most_prints: int, most_records: int) -> None:
        self._most_prints = most_prints
        self._most_records = most_records
        self._share = 1.0

    @property
    def prints(self) -> int:
        """Give how many prints the next batch may have; at least one."""
        return max(1, int(self._most_prints * self._share))

    @property
    def records(self) -> int:
        """Give how many journal records it may have; at least one."""
        return max(1, int(self._most_records * self._share))

    def failed(self) -> None:
        """A batch did not come through."""
        self._share = max(LEAST, self._share / 2)

    def held(self) -> None:
        """One did."""
        self._share = min(1.0, self._share * 2)
