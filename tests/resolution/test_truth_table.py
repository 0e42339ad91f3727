"""docs/explanation/resolutions.md agrees with the code: every row of its table, its limits."""

import re
from pathlib import Path

import pytest

from actors.model.market import RECHECKS_MS, MarketState, Observation, Source
from actors.polymarket import sources
from actors.resolution.quorum import Conflict, NotYet, Split, Winner, decide
from actors.resolution.states import state_of
from tests.resolution.recorded_answers import MARKET, Payouts, evidence_of, pays, seen

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "resolutions.md").read_text()
HOLD = 120
DASH = "\N{EN DASH}"
FINAL: dict[str, Payouts] = {"A": pays("1", "0"), "B": pays("0", "1"), "½": pays("0.5", "0.5")}
SOURCES = (Source.GAMMA, Source.CLOB, Source.DATA, Source.CHAIN)


def table(head: str) -> list[list[str]]:
    """Return the cells of the rows below this heading of a table."""
    _, _, rest = PAGE.partition(head)
    lines = rest.partition("|\n")[2].splitlines()[1:]
    rows = [line for line in lines[: lines.index("")] if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


ROWS = table("| Gamma | CLOB | Data API | chain |")


def observations(cells: list[str], *, held: bool) -> list[Observation]:
    return [
        seen(source, at_ms, FINAL.get(cell), cell)
        for at_ms in ((0, HOLD) if held else (0,))
        for source, cell in zip(SOURCES, cells, strict=True)
        if cell != DASH
    ]


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_rule_does_what_the_row_says(row: list[str]) -> None:
    *cells, held, decision, state, reason = row
    evidence = evidence_of(observations(cells, held=held == "yes"))
    now_ms = HOLD if held == "yes" else 0
    found = decide(evidence, MARKET, now_ms=now_ms, hold_ms=HOLD)
    assert state_of(found, evidence if evidence.statements else None, ended=False) == state
    named = {asset.token_id: name for asset, name in zip(MARKET.assets, "AB", strict=True)}
    match found:
        case NotYet():
            assert (decision, reason) == ("not yet", found.reason)
        case Conflict():
            plain = re.sub(r"winner (\d+)", lambda m: named[m[1]], found.reason)  # type: ignore[index]
            assert (decision, reason) == ("conflict", plain)
        case Winner():
            assert (decision, reason) == (named[found.token_id], " ".join(found.sources))
        case Split():
            assert (decision, reason) == ("split", " ".join(found.sources))


def test_the_table_has_every_kind_of_decision_and_every_state() -> None:
    assert len(ROWS) > 30
    assert {row[5] for row in ROWS} == {"not yet", "A", "B", "split", "conflict"}
    assert {row[6] for row in ROWS} == set(MarketState)
    assert [row[0].strip("`") for row in table("| state | when")] == list(MarketState)


def test_the_documented_rate_limits_are_those_that_are_kept() -> None:
    ours = {row[0]: row[2] for row in table("| host | documented")}
    assert ours == {
        "Gamma": f"{sources.GAMMA_OUTCOMES} for outcomes, {sources.GAMMA_LISTINGS} for the catalog",
        "CLOB": f"{sources.CLOB:,}",
        "Data API": f"{sources.DATA} of two calls each",
        "chain": f"{sources.CHAIN_REQUESTS}; public nodes: 1 a second",
    }


def test_the_ages_at_which_a_resolution_is_checked_again_are_documented() -> None:
    assert "after ten minutes, one hour, six hours, one day, three days, seven days" in PAGE
    assert [ms // 60_000 for ms in RECHECKS_MS] == [10, 60, 360, 1_440, 4_320, 10_080]
