"""Labels while one belief about the sources of outcomes is false: due, right, wrong, absent.

    python -m tests.chaos.label_beliefs [--minutes 2 --markets 300 --pace 10 --at-once 2] [NAME ...]

Each belief of a market's way to its label is broken alone, beside the ways in which the exchange
is believed to differ today. Prints a table; exit code 1 when a label was wrong or invented.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.chaos.mutate import ROOT

NOTHING = "nothing"
BROKEN = (
    NOTHING,
    *("gamma_list_gone", "keyset_gone", "keyset_422", "cursor_ignored", "v2_unlisted"),
    *("poisoned_market", "market_500", "field_types", "cached_300s"),
    *("ids_reversed", "ids_reversed_later", "lists_reversed_later", "slots_swapped"),
    *("uma_rows_without_payouts", "data_gone", "data_tokens_gone"),
    *("v2_not_in_clob", "clob_gone", "no_uma_status", "gamma_mute", "free_nodes"),
)
COLUMNS = ("due", "due_right", "right", "wrong", "invented", "payouts_wrong", "names_wrong")
NEVER = ("wrong", "invented", "payouts_wrong", "names_wrong")


def run(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `tests.chaos.resolutions` found while this belief was false."""
    command = [sys.executable, "-m", "tests.chaos.resolutions", "--kills", "1"]
    command += ["--minutes", str(arguments.minutes), "--markets", str(arguments.markets)]
    command += ["--pace", str(arguments.pace)]
    command += [] if name == NOTHING else ["--broken", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {"error": (done.stderr or done.stdout)[-300:]}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def row(name: str, said: dict[str, Any]) -> str:
    """Return a row of the table."""
    if "error" in said:
        return f"| {name} | {said['error']} |"
    absent = "; ".join(f"{count} {reason}" for reason, count in said["absent"].items()) or "-"
    cells = [name, *(str(said[each]) for each in COLUMNS), absent]
    return f"| {' | '.join(cells)} |"


def main(words: Sequence[str]) -> int:
    """Run each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(BROKEN))
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--markets", type=int, default=300)
    parser.add_argument("--pace", type=float, default=10)
    parser.add_argument("--at-once", type=int, default=2)
    arguments = parser.parse_args(words)
    sys.stdout.write(f"| false belief | {' | '.join(COLUMNS)} | absent, and why |\n")
    sys.stdout.write("|---" * (len(COLUMNS) + 2) + "|\n")
    failed = False
    with ThreadPoolExecutor(arguments.at_once) as pool:
        results = pool.map(lambda name: run(name, arguments), arguments.names)
        for name, said in zip(arguments.names, results, strict=True):
            sys.stdout.write(f"{row(name, said)}\n")
            sys.stdout.flush()
            failed |= "error" in said or any(said[each] for each in NEVER)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
