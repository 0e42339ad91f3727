"""One child of the supervisor, as data: what is known of it through all its lives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pykka

from actors.actor import Address
from actors.messages import Message, Tick
from actors.supervision.restart import Backoff, Budget, ChildSpec

Start = Callable[[int, Tick], "pykka.ActorRef[Any]"]
"""Gives birth: (incarnation, time of birth) → a running actor."""


@dataclass
class Child:
    """One child through all its lives.

    Attributes:
        farewell: What it is told when it is given up as silent, in case it wakes.
        ended: Reason of an end that was to be expected, told by the child itself.
        crashed: Reason and traceback of an unexpected death, told by its shell.
        wordless_since: Since when it has been dead without having told why.
        heard_out: Whether all that it told has been heard; None: that was not asked yet.
        leaving: It was asked to end and will not be born again.
        epoch: What this life listens under, 0 before that; for connections.
        openings: How many of its lives came to listen.
        failing: Why lives before this one never did, as last noted.
    """

    spec: ChildSpec
    start: Start
    address: Address
    backoff: Backoff
    budget: Budget
    next_start_at: float
    farewell: Message | None = None
    incarnation: int = 0
    ref: "pykka.ActorRef[Any] | None" = None
    reported_at: float = 0.0
    last_reason: str = ""
    retry_after_s: float | None = None
    ended: str | None = None
    crashed: tuple[str, str] | None = None
    wordless_since: float | None = None
    heard_out: bool | None = None
    leaving: bool = False
    epoch: int = 0
    openings: int = 0
    failing: str = ""

    def begin(self, now: float) -> None:
        """Begin another life."""
        self.incarnation += 1
        self.reported_at = now
        self.ended = self.crashed = self.retry_after_s = self.wordless_since = None
        self.heard_out = None
        self.epoch = 0


@dataclass(frozen=True)
class Death:
    """What the supervisor learns when it looks."""

    child: Child
    reason: str
    expected: bool
    traceback: str = ""
