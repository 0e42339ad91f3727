"""What a command line says is taken as it is said."""

import argparse
from collections.abc import Iterator

import pytest

from actors.cli import status
from actors.config import manual
from actors.config.load import load
from actors.errors import ConfigError
from actors.simulator import options as simulator_options

PARSERS = {
    "tracker": manual.parser,
    "tracker-status": status._parser,
    "tracker-simulator": simulator_options._parser,
}


def valued() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each option that takes a value and is no list: its program, name and sample."""
    for program, made in PARSERS.items():
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
