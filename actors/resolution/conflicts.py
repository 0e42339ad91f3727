"""The contradictions about markets, from the first observation that shows one to its end.

A contradiction is opened once, whichever sources repeat it, and stays in the database for ever.
It is cleared when the sources contradict each other no more, or by a person
(`tracker --acknowledge`). Only open ones ask for attention.
"""

from collections import Counter
from collections.abc import Iterable

from actors.model.market import Clearance, Contradiction, ContradictionKind, Observation, Source
from actors.model.trade import ConditionId
from actors.resolution.evidence import Evidence, Names
from actors.resolution.quorum import Conflict, outcome_text

Key = tuple[ConditionId, ContradictionKind]


class OpenConflicts:
    """Which contradictions are open, and which pairs of reports were stored as one.

    A pair that a person has acknowledged is not open and not stored again.
    """

    def __init__(self) -> None:
        self._open: set[Key] = set()
        self._fresh: set[Key] = set()  # opened since the database was asked
        self._pairs: dict[Key, set[frozenset[str]]] = {}
        self._shown_by: dict[Key, Source] = {}

    def __len__(self) -> int:
        """Return how many markets have an open one."""
        return len({condition_id for condition_id, _ in self._open})

    def by_source(self) -> tuple[tuple[str, int], ...]:
        """Return how many open ones each source has shown here; those of before have none."""
        shown = Counter(self._shown_by[key].value for key in self._open if key in self._shown_by)
        return tuple(sorted(shown.items()))

    def is_open(self, condition_id: ConditionId, kind: ContradictionKind) -> bool:
        """Return whether a contradiction of this kind about this market is open."""
        return (condition_id, kind) in self._open

    def restore(
        self, condition_id: ConditionId, kind: ContradictionKind, pairs: Iterable[frozenset[str]]
    ) -> None:
        """Take over pairs that the database has."""
        self._pairs.setdefault((condition_id, kind), set()).update(pairs)

    def restore_open(
        self, before: Iterable[Key], now: Iterable[Key], *, complete: bool = False
    ) -> None:
        """Take over which are open in the database.

        Args:
            before: Those that were when it was asked before. A person has ended the rest.
            now: Those that are.
            complete: Whether these are all.
        """
        self._open -= set(before) - set(now)
        if complete:  # what was opened meanwhile may not be stored yet, and is in the next answer
            self._open &= set(now) | self._fresh
        self._open |= set(now)
        self._fresh = set()

    def open(self, found: Contradiction) -> tuple[Contradiction, ...]:
        """Return a contradiction to be stored; nothing when it is stored already."""
        key = found.condition_id, found.kind
        pairs = self._pairs.setdefault(key, set())
        pair = frozenset((found.recorded, found.observed))
        if pair in pairs:
            return ()
        pairs.add(pair)
        self._open.add(key)
        self._fresh.add(key)
        self._shown_by[key] = found.source
        return (found,)

    def clear(
        self, condition_id: ConditionId, kind: ContradictionKind, at_ms: int, reason: str
    ) -> tuple[Clearance, ...]:
        """Return the clearance to be stored; nothing when no such contradiction is open."""
        key = condition_id, kind
        self._pairs.pop(key, None)
        self._shown_by.pop(key, None)
        if key not in self._open:
            return ()
        self._open.discard(key)
        found = Clearance(condition_id=condition_id, kind=kind, cleared_at_ms=at_ms, reason=reason)
        return (found,)

    def remove(self, condition_id: ConditionId) -> None:
        """Forget a market; what is open stays open in the database."""
        for kind in ContradictionKind:
            self._open.discard((condition_id, kind))
            self._pairs.pop((condition_id, kind), None)
            self._shown_by.pop((condition_id, kind), None)


def outcome_contradictions(
    conflict: Conflict, observation: Observation
) -> tuple[Contradiction, ...]:
    """Return the contradictions between this observation and the other sources; none if none."""
    if observation.source not in dict(conflict.outcomes) or observation.payouts is None:
        return ()
    observed = outcome_text(frozenset(observation.payouts))
    others = dict.fromkeys(text for _, text in conflict.outcomes if text != observed)
    return tuple(
        Contradiction(
            condition_id=observation.condition_id,
            detected_at_ms=observation.observed_at_ms,
            recorded=text,
            observed=observed,
            source=observation.source,
        )
        for text in others
    )


def mapping_contradiction(
    evidence: Evidence, observation: Observation
) -> tuple[Contradiction, ...]:
    """Return the contradiction between the names of this observation and others; none if none."""
    namings = evidence.namings
    if observation.source not in namings.contested:
        return ()
    other = namings.swapped(observation.names)
    return (
        Contradiction(
            condition_id=observation.condition_id,
            detected_at_ms=observation.observed_at_ms,
            recorded=names_text(other),
            observed=names_text(observation.names),
            source=observation.source,
            kind=ContradictionKind.MAPPING,
        ),
    )


def names_text(names: Names) -> str:
    """Return names as text. It is stored and compared after a restart: never change it."""
    return "; ".join(f"{token_id} is {name}" for token_id, name in sorted(names))
