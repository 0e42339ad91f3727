"""The contradictions about markets, from the first observation that shows one to its end.

A contradiction is opened once, whichever sources repeat it, and stays in the database for ever.
It is cleared when the sources contradict each other no more, or by a person
(`tracker --acknowledge`). Only open ones ask for attention.
"""

from collections.abc import Iterable

from actors.model.market import Clearance, Contradiction, ContradictionKind, Observation
from actors.model.trade import ConditionId
from actors.resolution.evidence import Evidence, Names
from actors.resolution.quorum import Conflict, outcome_text

Key = tuple[ConditionId, ContradictionKind]


class OpenConflicts:
    """Which contradictions are open, as far as this process knows."""

    def __init__(self) -> None:
        self._open: dict[Key, set[frozenset[str]]] = {}

    def __len__(self) -> int:
        """Return how many markets have one."""
        return len({condition_id for condition_id, _ in self._open})

    def is_open(self, condition_id: ConditionId, kind: ContradictionKind) -> bool:
        """Return whether a contradiction of this kind about this market is open."""
        return (condition_id, kind) in self._open

    def restore(
        self, condition_id: ConditionId, kind: ContradictionKind, *pairs: frozenset[str]
    ) -> None:
        """Take over that the database has an open one, and what is said in it as far as known."""
        self._open.setdefault((condition_id, kind), set()).update(pairs)

    def open(self, found: Contradiction) -> tuple[Contradiction, ...]:
        """Return a contradiction to be stored; nothing when it is open already."""
        pairs = self._open.setdefault((found.condition_id, found.kind), set())
        pair = frozenset((found.recorded, found.observed))
        if pair in pairs:
            return ()
        pairs.add(pair)
        return (found,)

    def clear(
        self, condition_id: ConditionId, kind: ContradictionKind, at_ms: int, reason: str
    ) -> tuple[Clearance, ...]:
        """Return the clearance to be stored; nothing when no such contradiction is open."""
        if self._open.pop((condition_id, kind), None) is None:
            return ()
        found = Clearance(condition_id=condition_id, kind=kind, cleared_at_ms=at_ms, reason=reason)
        return (found,)

    def acknowledged(self, known: Iterable[Key], still_open: Iterable[Key]) -> None:
        """Forget those that the database had open before and has no more."""
        for key in set(known) - set(still_open):
            self._open.pop(key, None)


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
