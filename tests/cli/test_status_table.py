import io
from typing import Any

import pytest
from rich.console import Console, ConsoleOptions

from actors.cli import status_table
from actors.errors import PayloadRejected
from tests.cli.status_samples import health


def shown(document: Any, encoding: str = "utf-8") -> list[str]:
    """Return the lines of a table 80 columns wide."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(width=80, file=file, highlight=False)
    console.print(status_table.render(document))
    file.seek(0)
    return file.read().splitlines()


def fact(document: Any, name: str) -> str:
    lines = shown(document)
    first = next(index for index, line in enumerate(lines) if line.startswith(name))
    rest = [line for line in lines[first + 1 :] if line.startswith(" ")]
    return " ".join(lines[first].split()[1:] + (rest[0].split() if rest else []))


def test_in_its_first_minute_a_process_counts_by_its_age() -> None:
    document = health()
    document["trades"]["last_minute"] = 1_469
    document["uptime_s"] = 27.0
    assert fact(document, "trades").startswith("54.4 a second: 1,469 in 27.0 s, ")
    document["uptime_s"] = 61.0
    assert fact(document, "trades").startswith("24.5 a second: 1,469 last minute, ")


def test_one_of_a_thing_has_no_plural() -> None:
    document = health()
    document["catalog"]["markets"] = 1
    document["assets"].update(wanted=1, covered=1)
    document["journal"]["pending_records"] = 1
    document["trades"]["total"] = 1
    text = "\n".join(shown(document)) + status_table.summary(document)
    for one in ("1 market,", "1 of 1 token,", "1 record to store", "1 trade,"):
        assert one in text


def test_what_a_market_waits_for_is_said_in_full() -> None:
    document = health()
    document["resolutions"]["pending"] = {"open": 28, "on hold": 3}
    said = fact(document, "resolutions")
    assert "28 still open, 3 agreed, on hold until recorded" in said


def audited(**said: Any) -> str:
    """Return what is said of audits, where these fields are otherwise."""
    document = health()
    document["audits"].update({"doing": "waiting", **said})
    (found,) = (
        text
        for name, text in status_table.figures_of(status_table.checked(document))
        if name == "audits"
    )
    return str(found)


def test_audits_are_told_with_their_share_what_they_miss_and_when_the_last_was() -> None:
    made: dict[str, Any] = {"complete": 19, "unknown": 2, "last_checked_at": "2026-05-28T20"}
    assert audited(doing="off") == "off"
    assert audited() == "none made in the last 24 hours"
    assert audited(**made, share_complete=1.0, witnesses={"data": "ok"}) == (
        "19 of 19 hours of markets complete (100 %), 0 with trades missing, 2 unknown;"
        " last 2026-05-28T20"
    )
    lost = {"missing": 1, "outside_gaps": 3, "share_complete": 0.95}
    assert audited(**made, **lost, doing="off") == (
        "19 of 20 hours of markets complete (95.00 %), 1 with trades missing (3 trades outside"
        " gaps), 2 unknown; last 2026-05-28T20; off now"
    )


def test_audits_are_never_all_complete_while_trades_are_missing() -> None:
    said = audited(complete=100_000, missing=1, share_complete=1.0)
    assert "(99.99 %), 1 with trades missing (0 trades outside gaps)" in said
    said = audited(unknown=3, last_checked_at="2026-05-28T20", witnesses={"data": "HTTP 500"})
    assert said.startswith("0 of 0 hours of markets complete, 0 with trades missing, 3 unknown; ")
    assert said.endswith("; data: HTTP 500")


def test_the_summary_is_one_line_with_the_main_figures() -> None:
    text = status_table.summary(health(live=False))
    assert "\n" not in text
    assert text.startswith("degraded: none of 2")
    assert "1,234 trades" in text
    with pytest.raises(PayloadRejected):
        status_table.summary({"state": "healthy"})


@pytest.mark.parametrize(("part", "name"), [("journal", "free_bytes"), ("trades", "total")])
def test_a_number_longer_than_64_bits_is_rejected(part: str, name: str) -> None:
    document = health()
    document[part][name] = 10**400
    with pytest.raises(PayloadRejected, match="longer than 64 bits"):
        status_table.render(document)


def test_many_connections_are_cut_to_those_in_trouble_and_the_busiest() -> None:
    document = health()
    one = document["connections"]["list"][0]
    document["connections"]["list"] = [
        {**one, "id": f"a-{n:04}", "last_hour": n, "state": "waiting" if n == 7 else "listening"}
        for n in range(4000)
    ]
    lines = shown(document)
    first = next(index for index, line in enumerate(lines) if "last reason" in line)
    assert lines[first + 1].split()[0] == "a-0007"
    assert lines[first + 2].split()[0] == "a-3999"
    assert "and 3,988 more" in lines[-1]
    assert len(lines) - first == status_table.SHOWN_CONNECTIONS + 2


def test_the_trades_of_the_last_hour_are_drawn_minute_by_minute() -> None:
    document = health()
    document["trades"]["minutes"] = [0, 1, 4, 8, *[0] * 54, 6, 8]
    (line,) = [line for line in shown(document) if "█" in line]
    assert line.rstrip() == f"each minute   ▂▅█{' ' * 54}▇█"
    (plain,) = [line for line in shown(document, "ascii") if "@" in line]
    assert plain.rstrip() == f"each minute   _+@{' ' * 54}#@"


def test_an_hour_without_trades_is_drawn_empty() -> None:
    document = health()
    document["trades"]["minutes"] = [0] * 60
    assert shown(document)


@pytest.mark.parametrize(
    ("gap", "text"),
    [(0.0, "today 100 % of"), (0.001, "today 99.99 % of"), (250.0, "today 75.00 % of the time")],
)
def test_coverage_is_never_100_percent_while_anything_is_missing(gap: float, text: str) -> None:
    document = health()
    document["coverage"] |= {"wanted_token_s": 1000.0, "gap_token_s": gap}
    assert text in fact(document, "coverage")


def test_a_blackout_is_shown() -> None:
    document = health()
    document["coverage"] |= {"wanted_token_s": 10.0, "gap_token_s": 10.0, "blackout_s": 240.0}
    assert "blackout of 4 min" in fact(document, "coverage")
    document["coverage"] |= {"wanted_token_s": 0.0}
    assert "no token was wanted today yet" in fact(document, "coverage")


def test_eighty_columns_are_enough_for_the_largest_numbers() -> None:
    document = health(live=False, reason="x" * 200)
    document["trades"] |= dict.fromkeys(("last_minute", "last_hour", "last_24h", "total"), 10**12)
    document["database"] |= {"state": "away", "reason": "y" * 200}
    document["reasons"] = ["z" * 300] * 3
    lines = shown(document)
    assert max(map(len, lines)) <= 80
    assert "".join(line.strip() for line in lines).count("z") == 900


@pytest.mark.parametrize("minutes", [[-(2**62), 0, 1234], [-1, 0, 0], [2**62, 1, 0]])
def test_impossible_counts_are_drawn_all_the_same(minutes: list[int]) -> None:
    document = health()
    document["trades"]["minutes"] = minutes
    bars = [str(line) for line in status_table.Sparkline(minutes).__rich_console__(*drawing())]
    assert [len(bar) for bar in bars] == [3]
    assert bars[0].replace(" ", "").count("█") == (1 if max(minutes) > 0 else 0)
    assert shown(document)


def drawing() -> tuple[Console, ConsoleOptions]:
    console = Console(width=80, file=io.StringIO(), highlight=False)
    return console, console.options
