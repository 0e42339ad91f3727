"""Thousands of markets end in every way, sources lag, fail and lie, and the tracker is killed.

    python tests/chaos/resolutions.py --minutes 10 --markets 2000

plays it with the real lags (1 s to 10 min), poll (60 s) and hold (120 s) of the
defaults, which takes half an hour; `--pace 4` divides all of them by four and
leaves the minutes and the markets. The last line is JSON: every figure that was
promised and whether it was kept.
"""

import random
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from stage import Process, Stage, until

from actors.logic import budget

POLL_S, HOLD_S, LAG_S = 60.0, 120.0, 600.0
MOST = {"gamma": 300, "clob": budget.CLOB, "data": budget.DATA, "rpc": budget.CHAIN}
"""Requests in any ten seconds; Gamma's is what it documents, for catalogue and outcomes together."""
GRACE_S = 5.0
LIES = ("lie_gamma", "lie_clob", "lie_data", "lie_chain")
OUTAGES = ("http_500", "http_html", "http_429", "http_truncated", "http_redirect")


@dataclass(frozen=True)
class Play:
    """How it is played; seconds, but for `minutes`."""

    minutes: float
    markets: int
    pace: float
    kills: int
    seed: int

    @property
    def poll_s(self) -> float:
        return max(1.0, POLL_S / self.pace)

    @property
    def hold_s(self) -> float:
        return max(1.0, HOLD_S / self.pace)

    @property
    def lag_s(self) -> float:
        return LAG_S / self.pace


@dataclass
class Figures:
    """What came of it."""

    markets: int = 0
    with_outcome: int = 0
    right: int = 0
    wrong: int = 0
    missing: int = 0
    invented: int = 0
    contradicted: int = 0
    conflicts_missed: int = 0
    second_final_to_row_s: dict[str, float] = field(default_factory=dict)
    last_final_to_row_longest_s: float = 0.0
    allowed_s: float = 0.0
    evidence_repeated: int = 0
    requests: dict[str, dict[str, int]] = field(default_factory=dict)
    over_budget: list[str] = field(default_factory=list)
    kills: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Say whether every promise was kept."""
        return not (
            self.wrong
            or self.missing
            or self.invented
            or self.conflicts_missed
            or self.over_budget
            or self.evidence_repeated
            or self.second_final_to_row_s.get("median", 0.0) > self.allowed_s
        )


def play(stage: Stage, play: Play) -> Figures:
    """Play it to the end and judge it."""
    rng = random.Random(play.seed)
    simulator = _simulator(stage, play)
    ends_at = time.monotonic() + play.minutes * 60
    tracker = _tracker(stage, play)
    kill_at = sorted(rng.uniform(0.2, 0.8) * play.minutes * 60 for _ in range(play.kills))
    began = time.monotonic()
    trouble_at = began + play.lag_s / 20
    while time.monotonic() < ends_at:
        if kill_at and time.monotonic() - began >= kill_at[0]:
            kill_at.pop(0)
            tracker.stop(signal.SIGKILL)
            tracker = _tracker(stage, play)
        if time.monotonic() >= trouble_at:
            trouble_at = time.monotonic() + rng.uniform(0.05, 0.1) * play.lag_s
            _trouble(stage, play, rng)
        until("a moment", _later(0.25), within_s=5)
    _wait(stage, play)
    assert tracker.stop() == 0
    assert simulator.stop() == 0
    return judge(stage, play)


def _simulator(stage: Stage, play: Play) -> Process:
    lag = f"{1 / play.pace:g}-{play.lag_s:g}"
    return stage.simulator(
        "--markets", str(play.markets), "--ending", "1", "--odd", "0.35",
        "--births-per-second", "0", "--prints-per-second", "0", "--noise-per-second", "20",
        "--life", f"{play.minutes * 60:g}", "--settle", f"{20 / play.pace:g}",
        "--lag-gamma", lag, "--lag-clob", lag, "--lag-data", lag, "--lag-chain", lag,
        "--seed", str(play.seed),
    )  # fmt: skip


def _tracker(stage: Stage, play: Play) -> Process:
    return stage.tracker(
        TRACKER_RESOLUTION_SECONDS=f"{play.poll_s:g}",
        TRACKER_RESOLUTION_HOLD_SECONDS=f"{play.hold_s:g}",
        TRACKER_REDUNDANCY="1",
        TRACKER_ASSETS_PER_CONNECTION="200",
        TRACKER_DISCOVERY_SECONDS="5",
    )


def _trouble(stage: Stage, play: Play, rng: random.Random) -> None:
    """Bring one trouble: a share of answers fails most of the time, now and then all of them."""
    seconds = round(rng.uniform(0.2, 1.0) * play.poll_s, 2)
    kind = rng.choice(("flaky_http", "flaky_http", "slow_http", rng.choice(OUTAGES), *LIES[:1]))
    more: dict[str, float] = {}
    if kind == "slow_http":
        more, seconds = {"delay": 0.5}, min(seconds, 5.0)
    elif kind in LIES:
        kind = rng.choice(LIES)
    elif kind == "flaky_http":
        more = {"share": 0.3}
    stage.admin("fault", kind=kind, seconds=seconds, **more)


def _later(seconds: float) -> Any:
    at = time.monotonic() + seconds
    return lambda: time.monotonic() >= at


def _wait(stage: Stage, play: Play) -> None:
    """Wait until the last source is final, and for hold, two polls and a grace after it."""
    last_ms = max(
        (max(line["final_at"].values()) for line in _lines(stage, "market_final")), default=0
    )
    until(
        "the last market resolves",
        lambda: len(list(_lines(stage, "outcome"))) >= len(_expected(stage)),
        within_s=play.lag_s + 300,
    )
    finals = [max(line["final_at"].values()) for line in _lines(stage, "outcome")]
    over_s = max([last_ms, *finals]) / 1000 + play.hold_s + 2 * play.poll_s + GRACE_S
    until("hold and two polls are over", lambda: time.time() >= over_s, within_s=play.lag_s + 900)
