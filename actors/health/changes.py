"""Log lines about changes of the health: a new state, a gap that opens or closes.

Whoever asks for the status sees how it is; only the log says how it was, and since when.
"""

import logging
from typing import Final

from actors.health.document import Health
from actors.health.parts import DEGRADED

log = logging.getLogger(__name__)

GAP_SHARE: Final = 0.01
"""Of the wanted tokens: new ones are never covered in their first moments."""
NAMED_S: Final = 900.0
"""Least time between two log lines that name unconfirmed tokens, in seconds."""
_MOST_REASONS: Final = 5


class HealthChanges:
    """Compares each document with the one before. In the watchdog's thread, every few seconds."""

    def __init__(self) -> None:
        self._state = ""
        self._codes: frozenset[str] = frozenset()
        self._since_s = 0.0
        self._gap = _Gap()
        self._named_s = float("-inf")

    def note(self, health: Health) -> None:
        """Log what has changed since the last call."""
        has_changed = health.state != self._state
        if self._state and (has_changed or not self._codes.issuperset(health.codes)):
            self._log_state(health)
        if has_changed:
            self._state, self._since_s = health.state, health.uptime_s
            self._codes = frozenset()
        # Those that are gone are kept: one that comes and goes is logged once in a state.
        self._codes |= frozenset(health.codes)
        self._gap.note(health)
        self._name_unconfirmed(health)

    def _name_unconfirmed(self, health: Health) -> None:
        """Log which tokens are unconfirmed for longest, now and then while there are some."""
        assets = health.assets
        if assets.unconfirmed and health.uptime_s - self._named_s >= NAMED_S:
            self._named_s = health.uptime_s
            fields = {
                "count": assets.never_confirmed,
                "tokens": [each.token_id for each in assets.unconfirmed],
                "markets": [each.condition_id for each in assets.unconfirmed],
                "longest_s": round(assets.unconfirmed[0].waiting_s, 1),
            }
            log.warning("tokens_unconfirmed", extra=fields)

    def _log_state(self, health: Health) -> None:
        fields = {
            "from": self._state,
            "to": health.state,
            "seconds": round(health.uptime_s - self._since_s, 1),
            "reasons": list(health.reasons[:_MOST_REASONS]),
            "more": max(0, len(health.reasons) - _MOST_REASONS),
        }
        # Its end, too: who was woken by the beginning looks for it in the same list.
        level = logging.WARNING if DEGRADED in (self._state, health.state) else logging.INFO
        log.log(level, "health_changed", extra=fields)


class _Gap:
    """Whether many tokens are not covered, and since when."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._is_logged = False
        self._most = 0

    def note(self, health: Health) -> None:
        wanted, now = health.assets.wanted, health.uptime_s
        absent = wanted - health.assets.covered
        if health.state in ("starting", "stopping") or absent <= GAP_SHARE * wanted:
            self._close(now)
            return
        self._most = max(self._most, absent)
        if self._since_s is None:
            self._since_s = now
        elif not self._is_logged:  # for longer than one look
            self._is_logged = True
            causes = health.assets.causes
            # Why these are not covered: another reason of the status may be worse, or come first.
            reason = max(causes, key=lambda cause: causes[cause], default="")
            fields = {"tokens": absent, "wanted": wanted, "reason": reason, "causes": dict(causes)}
            log.warning("gap_opened", extra=fields)

    def _close(self, now: float) -> None:
        if self._is_logged and self._since_s is not None:
            fields = {"tokens": self._most, "seconds": round(now - self._since_s, 1)}
            log.warning("gap_closed", extra=fields)
        self._since_s, self._is_logged, self._most = None, False, 0
