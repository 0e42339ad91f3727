"""`make fuzz SECONDS=600`: damaged inputs for everything that comes from outside.

Hypothesis makes them, out of good ones and of nothing, with another seed in each
round. Ends with a line a target and 0, or with the smallest input that crashes
it and 1. Memory is measured by each round: it must not grow.
"""

import argparse
import contextlib
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz import more_targets, targets

WORDS = (
    b"null", b"true", b"-1", b"1e999", b"NaN", b'"', b"\\u0000", b"\\ud800", b"[" * 200, b"{" * 200,
    b"\xff", b"\x00", b"\r\n", b"0" * 400, b'"a":', b"\x7f" + b"\xff" * 8, b"\x81", b"\x00\x01",
)  # fmt: skip
ROUND = 200
MOST_GROWTH = 64 << 20
"""Bytes. Above what caches of regular expressions, Hypothesis and the allocator take in."""

Edit = tuple[int, int, bytes]


def damaged(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return inputs: good ones with up to eight edits, or anything."""
    pieces = st.sampled_from(WORDS) | st.binary(max_size=8) | st.just(b"")
    edits = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 40), pieces), max_size=8)
    return st.builds(_edited, st.sampled_from(seeds), edits) | st.binary(max_size=2_000)


def _edited(text: bytes, edits: Iterable[Edit]) -> bytes:
    for place, gone, piece in edits:
        at = place % (len(text) + 1)
        text = text[:at] + piece + text[at + gone :]
    return text


def memory_bytes() -> int:
    """Return what this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


class Run:
    """Rounds of all targets; `count` is how many inputs each has had."""

    def __init__(self, stack: contextlib.ExitStack, examples: int = ROUND) -> None:
        self.count: Counter[str] = Counter()
        self._examples = examples
        self.targets = {
            "frames": (targets.frames, targets.frame_seeds()),
            "events": (targets.events, targets.feed_seeds()),
            "answers": (targets.answers, targets.outcome_seeds()),
            "records": (targets.records, targets.record_seeds()),
            "tables": (targets.tables, targets.table_seeds()),
            "http": (stack.enter_context(targets.http()), targets.http_seeds()),
            "status": (stack.enter_context(targets.status()), targets.status_seeds()),
            "handshake": (
                stack.enter_context(more_targets.handshake()),
                more_targets.handshake_seeds(),
            ),
            "pages": (more_targets.pages, more_targets.page_seeds()),
            "texts": (more_targets.texts, more_targets.text_seeds()),
            "replies": (stack.enter_context(more_targets.replies()), targets.table_seeds()),
            "recordings": (more_targets.recordings, more_targets.recording_seeds()),
        }

    def round(self, number: int) -> None:
        """Give each target a round of inputs; the number decides them."""
        for name in self.targets:
            self.run_one(name, number)

    def run_one(self, name: str, number: int) -> None:
        """Give one target its round."""
        target, seeds = self.targets[name]

        @seed(number)
        @settings(
            max_examples=self._examples,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(damaged(seeds))
        def one(data: bytes) -> None:
            self.count[name] += 1
            target(data)

        one()


def main() -> int:
    """Run for the given time; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.seconds:g} s")  # noqa: T201 - a program for people
    logging.disable()  # what is rejected is named there
    end = time.monotonic() + options.seconds
    memory: list[int] = []
    with contextlib.ExitStack() as stack:
        run, number = Run(stack), options.seed
        while time.monotonic() < end:
            run.round(number)
            number += 1
            memory.append(memory_bytes())
    settled = memory[len(memory) // 4]  # by then all caches are filled
    for name, count in run.count.items():
        print(f"{name:10} {count:9,} inputs, no crash")  # noqa: T201 - as above
    grown = max(memory) - settled
    print(f"memory     {settled >> 20} MiB, at most {grown >> 20} MiB more")  # noqa: T201 - as above
    return int(grown > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
