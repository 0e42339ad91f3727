"""Lives: a count that goes on when the one who counts dies and is born again."""


class Lives:
    """Sums what each life of somebody says that it has counted, from 0 on.

    Attributes:
        total: Of all lives.
    """

    def __init__(self) -> None:
        self.total = 0
        self._life: int | None = None
        self._counted = 0

    def counted(self, life: int, count: int) -> int:
        """This life has counted so many by now; give how many of them are new."""
        if life != self._life:
            self._life, self._counted = life, 0
        fresh = max(0, count - self._counted)
        self._counted += fresh
        self.total += fresh
        return fresh
