"""A process that asks as often as its part of a limit allows, by a clock of tenths of seconds.

Prints the time of each request, monotonic seconds, until its input ends.
"""

import select
import sys
import time

from actors.polymarket import sources as limits
from actors.process.runtime import HostTrackers

limits.WINDOW_S, limits.NOTICE_S = 1.0, 0.2


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(sources: str, most: int) -> None:
    host, limit = HostTrackers(sources), limits.RateLimit(most)
    host.enter()
    say("in")
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        now = time.monotonic()
        limit.share(host.count(), now)
        while limit.ready(now):
            limit.spend(now)
            say(str(time.monotonic()))


run(sys.argv[1], int(sys.argv[2]))
