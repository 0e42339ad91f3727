"""Doors: which source may be asked now. One that fails is left alone, none is asked too often."""

from collections.abc import Iterable

from actors.errors import PayloadRefused, SourceUnavailable
from actors.polymarket import budget
from actors.polymarket.budget import Budget
from actors.polymarket.patience import Patience
from actors.resolution.evidence import Source

MOST = {
    Source.GAMMA: budget.GAMMA_OUTCOMES,
    Source.CLOB: budget.CLOB,
    Source.DATA: budget.DATA,
    Source.CHAIN: budget.CHAIN,
}


class Doors:
    """Patience and budget of each source that is in use. `now` is monotonic seconds."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._patience = {source: Patience() for source in sources}
        self._budgets = {source: Budget(MOST[source]) for source in self._patience}

    def begin(self, now: float) -> None:
        """Wait ten seconds: what an earlier life asked just before it was killed counts too."""
        for each in self._budgets.values():
            each.exhaust(now)

    def able(self, source: Source, now: float) -> bool:
        """Say whether the source answers, as far as is known."""
        return self._patience[source].ready(now)

    def any_able(self, now: float) -> bool:
        """Say whether any source answers."""
        return any(each.ready(now) for each in self._patience.values())

    def affords(self, source: Source, now: float) -> bool:
        """Say whether it may be asked once more in these ten seconds."""
        return self._budgets[source].ready(now)

    def open(self, source: Source, now: float) -> bool:
        """Say whether the source answers and may be asked."""
        return self.able(source, now) and self.affords(source, now)

    def asked(self, source: Source, now: float) -> None:
        """Count a request."""
        self._budgets[source].spend(now)

    def answered(self, source: Source) -> None:
        """Note that it answered."""
        self._patience[source].succeeded()

    def failed(
        self, source: Source, now: float, failure: SourceUnavailable | PayloadRefused
    ) -> float:
        """Note that it did not; give for how many seconds it is left alone."""
        return self._patience[source].failed(now, failure)

    def states(self) -> tuple[tuple[str, str], ...]:
        """Give (source, `ok` or its last error)."""
        return tuple((source.value, each.state) for source, each in self._patience.items())

    def requests(self, now: float) -> tuple[tuple[str, int, int], ...]:
        """Give (source, requests since the start, requests of the last ten seconds)."""
        return tuple(
            (source.value, each.spent, each.recent(now)) for source, each in self._budgets.items()
        )
