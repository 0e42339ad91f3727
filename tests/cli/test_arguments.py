"""What a command line says is taken as it is said, and repeated in one line that drives nothing."""

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.cli import status, status_options
from actors.cli.main import main
from actors.config import manual
from actors.config.load import load
from actors.dataset.report import program as report
from actors.errors import EXIT_CONFIG, ConfigError
from actors.simulator import main as simulator
from actors.simulator import options as simulator_options
from tests.app.test_acknowledge import as_url

PARSERS = {
    "tracker": manual.parser,
    "tracker-report": report._parser,
    "tracker-status": status_options.parser,
    "tracker-simulator": simulator_options._parser,
}


def valued() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each option that takes a value and is no list: its program, name and sample."""
    for program, made in PARSERS.items():
        if program == "tracker-simulator":
            continue  # a tool of tests, of which the last one counts
        for action in made()._actions:
            if action.nargs == 0 or isinstance(action, argparse._AppendAction):
                continue
            count = action.nargs if isinstance(action.nargs, int) else 1
            yield program, action.option_strings[-1], ("1",) * count


def parse(program: str, arguments: list[str]) -> None:
    required = ["--dir", "x"] if program == "tracker-simulator" else []
    if "--dir" in arguments:
        required = []
    PARSERS[program]().parse_args([*required, *arguments])


@pytest.mark.parametrize(("program", "option", "sample"), list(valued()))
def test_an_option_that_takes_one_value_is_not_given_twice(
    program: str, option: str, sample: tuple[str, ...]
) -> None:
    if option in ("--broken", "--intact"):
        sample = ("",)  # names that the simulator does not know are an error
    parse(program, [option, *sample])
    with pytest.raises((ConfigError, simulator_options.BadOption)) as found:
        parse(program, [option, *sample, option, *sample])
    assert f"{option}: given twice, and it takes one value" in str(found.value)


def test_modes_and_switches_may_be_repeated_and_a_parser_used_again() -> None:
    assert load(["--check", "--check", "--no-migrate", "--no-migrate"], {}).mode == "check"
    parser = manual.parser()
    for _ in range(2):
        assert parser.parse_args(["--retire", "x"]).retire == "x"


def test_a_fault_of_the_simulator_is_a_list() -> None:
    faults = ["--fault", "1:drop", "--fault", "2:freeze"]
    assert len(simulator_options.parse(["--dir", "x", *faults]).faults) == 2


@pytest.mark.parametrize(
    ("program", "argument"),
    [("tracker", "--migrate"), ("tracker", "--no-migrate"), ("tracker", "--online"),
     ("tracker-status", "--json"), ("tracker-simulator", "--die-with-parent")],
)  # fmt: skip
def test_a_switch_that_is_given_a_value_is_said_plainly(program: str, argument: str) -> None:
    with pytest.raises((ConfigError, simulator_options.BadOption)) as found:
        parse(program, [f"{argument}=it is\nsecret"])
    assert f"{argument} takes no value" in str(found.value).replace(":", "")
    assert "ignored" not in str(found.value)
    assert program != "tracker" or "secret" not in str(found.value)


FORGED = "x\nFORGED\x1b[2J\u202e"
"""A name that would make a line of its own, clear the screen and turn what follows around."""


def shown_safely(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was printed, after a look whether the name drives anything."""
    said = capsys.readouterr()
    text = said.out + said.err
    assert text, "it says nothing"
    assert text.count("FORGED") == len(re.findall(r"x(?:\\n|\\x0a|\?)FORGED", text))
    assert "\x1b" not in text
    assert "\u202e" not in text
    return text


@pytest.mark.parametrize(
    "arguments",
    [
        [FORGED],
        [f"--{FORGED}"],
        ["--config", FORGED],
        ["--check", "--state-dir", f"TMP/{FORGED}"],
        ["--check", "--state-dir", f"TMP/file/{FORGED}"],
        ["--check", "--status-socket", f"TMP/{FORGED}/s"],
        ["--check", "--markets", FORGED],
        ["--check", "--user-agent", FORGED],
        ["--check", "--database-url", FORGED],
        ["--retire", "x", "--state-dir", f"TMP/{FORGED}"],
        ["--retire", FORGED],
        ["--acknowledge", FORGED, "--reason", FORGED],
        ["--reingest", "--since", FORGED],
        ["--demo", "--broken", FORGED],
        ["--duration", FORGED],
        ["--psql", "--state-dir", f"TMP/{FORGED}"],
    ],
)
def test_what_the_tracker_repeats_drives_no_terminal(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in os.environ if name.startswith("TRACKER_")]:
        monkeypatch.delenv(name)
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRACKER_STATE_DIR", str(tmp_path / "state"))
    main([each.replace("TMP", str(tmp_path)) for each in arguments])
    shown_safely(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        [FORGED],
        [f"--{FORGED}"],
        ["--socket", FORGED],
        ["--timeout", FORGED],
        ["--field", FORGED, "--socket", "nowhere"],
        ["--wait", FORGED, "nowhere", "--socket", "nowhere"],
        ["--wait", "takes-over-from", FORGED, "--timeout", "0.1", "--socket", FORGED],
    ],
)
def test_what_tracker_status_repeats_drives_no_terminal(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status.main(arguments, environ={}, wait=lambda _: None)
    shown_safely(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dir", "x", FORGED],
        ["--dir", "x", f"--{FORGED}"],
        ["--dir", f"TMP/file/{FORGED}"],
        ["--dir", "TMP", "--replay", FORGED],
        ["--dir", "TMP", "--host", FORGED],
        ["--dir", "TMP", "--fault", FORGED],
        ["--dir", "TMP", "--broken", FORGED],
    ],
)
def test_what_the_simulator_repeats_drives_no_terminal(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    simulator.main([each.replace("TMP", str(tmp_path)) for each in arguments])
    shown_safely(capsys)


@pytest.mark.db
def test_the_names_of_commands_on_the_database_drive_no_terminal(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", as_url(database))
    for arguments in (["--retire", FORGED], ["--acknowledge", FORGED, "--reason", FORGED]):
        assert main(arguments) == EXIT_CONFIG
        assert "FORGED" in shown_safely(capsys)
