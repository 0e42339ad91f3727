"""The time of the resolution actor: a clock without steps, and how long sources must agree.

The clock dates observations and follows no step of the system clock.

A hold is measured by it, so a step forward must not end one, and a step back must not keep every
later observation from counting. Within one life it goes as the monotonic clock does. It is
corrected only when two sources (`Date`), or one and the system clock, have shown for a while that
it is wrong by the same. Used in the thread of the resolution actor.
"""

from actors.model.market import Source

STEP_MS = 1_000
"""A larger change against the monotonic clock between two ticks is a step."""
WRONG_MS = 5_000
"""So much it may differ from the clock of a source, whose `Date` has whole seconds."""
SURE_S = 10.0
"""For so long the sources must have shown that it is wrong."""
LATELY_S, ALIKE = 120.0, 2
"""So many must show the same wrong time, each source within the last seconds. The system clock is
one of them, when it was set right."""
TRUSTED_S = 60.0
"""After so long without a word of the sources about the time, the system clock is believed."""
DEFAULT_HOLD_S = 330.0
"""Longer than the caches that were seen keep an answer (300 s)."""
LONGEST_HOLD_S = 900.0
MARGIN_S = 30.0


class Hold:
    """How long sources must agree: longer than any cache says that it keeps their answers.

    Args:
        hold_s: As set. A shorter one than the default is a rehearsal's, and is kept.
    """

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._max_ages: dict[Source, float] = {}

    def seen(self, source: Source, max_age_s: float) -> float:
        """Take for how long answers of a source may be kept; return the hold, in seconds."""
        self._max_ages[source] = max_age_s
        if self._hold_s < DEFAULT_HOLD_S:
            return self._hold_s
        longest_s = min(max(self._max_ages.values()) + MARGIN_S, LONGEST_HOLD_S)
        return max(self._hold_s, longest_s)


class SteadyClock:
    """Wall clock milliseconds since 1970 that do not step."""

    def __init__(self) -> None:
        self._base_ms: float | None = None  # wall minus monotonic clock, as believed
        self._system_ms = 0.0  # the same as the system has it
        self._began_at = self._now = 0.0
        self._heard: dict[Source, tuple[float, float]] = {}  # when, and what was wrong then in ms
        self._wrong_since: float | None = None

    def tick(self, now: float, wall_ms: int) -> int:
        """Take the clocks of a tick; return the time.

        Args:
            now: Monotonic seconds.
            wall_ms: The system clock.
        """
        system_ms = wall_ms - now * 1000
        if self._base_ms is None:
            self._base_ms, self._began_at = system_ms, now
        elif abs(system_ms - self._system_ms) <= STEP_MS:
            self._base_ms += system_ms - self._system_ms  # small corrections are taken over
        else:
            # What was heard of the sources was measured before the step.
            self._wrong_since = None
            self._heard.clear()
        self._system_ms, self._now = system_ms, now
        return int(now * 1000 + self._base_ms)

    @property
    def is_trusted(self) -> bool:
        """Return whether the sources have confirmed the time, or had their chance to."""
        sure = bool(self._heard) and self._wrong_since is None
        return sure or self._now >= self._began_at + TRUSTED_S

    def heard(self, source: Source, offset_s: float | None) -> int:
        """Take the clock of a source; return by how many milliseconds this one was corrected.

        Nearly always 0. What was dated before a correction is wrong by as much. One source alone
        corrects nothing, since its clock may be the wrong one.

        Args:
            source: That answered.
            offset_s: Its clock minus the system clock, in seconds; None: not known yet.
        """
        if self._base_ms is None or offset_s is None:
            return 0
        wrong_ms = offset_s * 1000 + self._system_ms - self._base_ms
        self._heard[source] = self._now, wrong_ms
        lately = [ms for at, ms in self._heard.values() if self._now - at <= LATELY_S]
        alike = sum(abs(ms - wrong_ms) <= WRONG_MS for ms in lately)
        alike += abs(offset_s * 1000) <= WRONG_MS  # the system clock says the same
        if abs(wrong_ms) <= WRONG_MS or alike < ALIKE:
            if all(abs(ms) <= WRONG_MS for ms in lately):
                self._wrong_since = None
            elif self._wrong_since is None:
                self._wrong_since = self._now
            return 0
        if self._wrong_since is None:
            self._wrong_since = self._now
        if self._now < self._wrong_since + SURE_S:
            return 0
        self._wrong_since = None
        self._heard.clear()
        self._base_ms += wrong_ms
        return int(wrong_ms)
