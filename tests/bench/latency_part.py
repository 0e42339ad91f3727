"""Latency: from the exchange's time of a trade, put on the wire at once, to its committed row.

1,000 trades and 20,000 noise frames a second over 100 connections. The clock is
read behind the commit; the exchange's time has milliseconds, so half of one is noise.
"""

from pathlib import Path

from tests.bench.comparison import Figure, Findings
from tests.bench.database import served
from tests.bench.rivals_venv import InstalledRivals
from tests.bench.scale_part import Size, run

LOAD = Size(100, 1, 21_000, 15)
TRADES = 1_000 / 21_000


def measure(_: InstalledRivals, folder: Path, turns: int) -> Findings:
    """Run the load a few times."""
    with served() as server:
        seen = [run(server, folder, LOAD, trades=TRADES) for _ in range(min(turns, 3))]
    findings = Findings()
    findings.tables.append(
        (
            "Latency, ms",
            ("", "p50", "p90", "p99", "p99.9", "max", "trades", "cores"),
            [
                (
                    f"run {number}",
                    *(each.lag_ms(share) for share in (0.5, 0.9, 0.99, 0.999, 1)),
                    each.trades,
                    each.cores,
                )
                for number, each in enumerate(seen, 1)
            ],
        )
    )
    for name, share, wanted in (("latency_p50_ms", 0.5, "< 60"), ("latency_p99_ms", 0.99, "< 300")):
        values = [each.lag_ms(share) for each in seen]
        findings.figures.append(Figure(name, "ms", values, (), wanted))
    return findings
