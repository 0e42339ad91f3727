"""`bin/tracker` without a mode: the run itself, which records until it is asked to stop."""

import logging
import sys

from actors.app.tracker import Tracker
from actors.config.load import Invocation
from actors.process.runtime import limit_automatic_gc, stop_signals, use_one_malloc_arena

log = logging.getLogger(__name__)

YOUNG_OBJECTS = 10_000
"""New objects after which the garbage collector looks at the youngest generation.

Batches of trades are short-lived and in no reference cycle; with Python's default of 700 the
collector would look at each of them several times.
"""

SWITCH_S = 0.0005
"""Seconds after which a running thread must let a waiting thread run.

With Python's default of 5 ms a trade waits several times behind a busy reader on its way to
the database.
"""


def run(invocation: Invocation) -> int:
    """Record until a signal asks for the end, or the time that was given is over."""
    use_one_malloc_arena()
    limit_automatic_gc(YOUNG_OBJECTS)
    sys.setswitchinterval(SWITCH_S)
    tracker = Tracker(invocation.config)
    with stop_signals(tracker.request_stop, on_hangup=_ignore_hangup):
        return tracker.run(invocation.duration_s)


def _ignore_hangup() -> None:
    """Go on: whoever sends it wants the settings to be read again, or has closed a terminal."""
    log.info("hangup_ignored", extra={"note": "settings are read at the start only"})
