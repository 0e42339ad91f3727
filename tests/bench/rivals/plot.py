"""Draw the ratios, and the growth of the tracker, as one SVG."""

import json
import re
import sys
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "bench"  # the same picture always has the same bytes
mpl.rcParams["svg.fonttype"] = "none"
from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen first


def ratios(axes: Any, figures: list[dict[str, Any]]) -> None:
    """Draw tracker by rival, and the wanted ratio."""
    rows = [figure for figure in figures if figure["ratio"] and figure["wanted"]]
    rows.reverse()
    places = range(len(rows))
    axes.barh(places, [row["ratio"] for row in rows], color="#4878a8", height=0.6)
    for place, row in zip(places, rows, strict=True):
        found = re.search(r"[\d.]+", row["wanted"])
        if found:
            axes.plot([float(found[0])] * 2, [place - 0.4, place + 0.4], color="#c04030", lw=2)
        axes.text(row["ratio"], place, f" {row['ratio']:.3g}", va="center", fontsize=8)
    axes.set_yticks(list(places), [row["name"] for row in rows], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("tracker by rival (red: wanted)", fontsize=8)
    axes.margins(x=0.15)


def growth(axes: Any, rows: list[dict[str, float]]) -> None:
    """Draw cores and memory over the number of connections."""
    at = [row["connections"] for row in rows]
    axes.plot(at, [row["cores"] for row in rows], "o-", color="#4878a8")
    axes.set_ylabel("cores", color="#4878a8", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("connections of 200 tokens", fontsize=8)
    other = axes.twinx()
    other.plot(at, [row["mib"] for row in rows], "s--", color="#60a060")
    other.set_ylabel("MiB", color="#60a060", fontsize=8)
    other.set_ylim(bottom=0)


def main() -> None:
    found = json.load(sys.stdin)
    if found["growth"]:
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), width_ratios=(3, 2))
        growth(right, found["growth"])
    else:  # the part that grows did not run
        figure, left = plt.subplots(figsize=(7, 3.6))
    ratios(left, found["figures"])
    figure.tight_layout()
    figure.savefig(sys.argv[1], metadata={"Date": None})


if __name__ == "__main__":
    main()
