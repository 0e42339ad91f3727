"""The command line of the simulator, checked, as one frozen value."""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from actors import __version__
from actors.simulator.beliefs import in_force, parse_broken
from actors.simulator.fault_injector import Fault, parse_fault
from actors.simulator.market import SOURCES, Pace

LAGS = {"gamma": (800, 3000), "clob": (300, 2000), "data": (200, 1500), "chain": (0, 0)}

GENERATED = {
    "markets": 200,
    "trades_per_second": 300.0,
    "noise_per_second": 1500.0,
    "markets_per_second": 0.5,
}


class BadOption(Exception):
    """An option is wrong; the text is one line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Recordings to serve (files or folders), and how their frames are sent."""

    frames: tuple[Path, ...] = ()
    gamma: tuple[Path, ...] = ()
    clob: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()
    minify: bool = False
    whole_arrays: bool = False
    per_second: float = 1000.0
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The checked options; `--help` and docs/reference/simulator.md describe each."""

    host: str
    port: int
    directory: Path
    seed: int
    run: int | None
    markets: int
    trades_per_second: float
    noise_per_second: float
    markets_per_second: float
    zipf: float
    life: tuple[float, float]
    ending: float
    first_end: float
    odd: float
    duration: float | None
    pace: Pace
    faults: tuple[Fault, ...]
    broken: frozenset[str]
    replay: Replay
    send_buffer_bytes: int
    subscribe_timeout: float
    idle_timeout: float
    die_with_parent: bool
    judge: str | None


class _Parser(argparse.ArgumentParser):
    """Of an option that is given twice the last one counts: tests add to what is usual."""

    def error(self, message: str) -> NoReturn:
        raise BadOption(
            re.sub(r"ignored explicit argument .*", "takes no value", message, flags=re.DOTALL)
        )


def _span(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    try:
        span = (float(low), float(high or low))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not LOW-HIGH") from None
    if not 0 <= span[0] <= span[1] < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a span from low to high")
    return span


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _broken(text: str) -> frozenset[str]:
    try:
        return parse_broken(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0 to 999,999,999")
    return number


def _speed(text: str) -> float:
    number = _number(text)
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return number


def _share(text: str) -> float:
    number = _number(text)
    if number > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return number


def _count(text: str) -> int:
    number = _number(text)
    if number != int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(number)


def _parser() -> _Parser:
    parser = _Parser(
        prog="tracker-simulator",
        description="A simulated Polymarket on loopback: feed, HTTP sources, chain, faults.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"tracker-simulator {__version__}",
        help="print the version, and exit")  # fmt: skip
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=_count, default=0, help="port; 0 takes a free one")
    add("--dir", dest="directory", type=Path, required=True, help="where ledger.jsonl is kept")
    add("--seed", type=_count, default=1, help="decides ids, lifetimes and prices")
    add("--run", type=_count, help="number of this run; default: the next free one")
    add("--markets", type=_count, help="markets at the start (200)")
    add("--trades-per-second", type=_number, help="(300)")
    add("--noise-per-second", type=_number, help="price_change messages (1500)")
    add("--markets-per-second", type=_number, help="markets that begin during the run (0.5)")
    add("--zipf", type=_number, default=0.9, help="how hot the hot markets are; 0 = all alike")
    add("--life", type=_span, default=(5.0, 15.0), help="seconds a short market trades, LOW-HIGH")
    add("--ending", type=_share, default=0.5, help="share of --markets that end soon")
    add("--first-end", type=_number, default=3.0, help="seconds until the first of them ends")
    add("--odd", type=_share, default=0.0, help="share of markets that sources describe wrongly")
    add("--duration", type=_number, help="seconds until it ends by itself; default: never")
    add("--settle", type=_number, default=1.0, help="seconds from end to resolution, about")
    for name in SOURCES:
        low, high = LAGS[name]
        span = (low / 1000, high / 1000)
        add(f"--lag-{name}", type=_span, default=span, help=f"seconds {name} lags, LOW-HIGH")
    add(
        "--fault",
        dest="faults",
        type=_fault,
        action="append",
        default=[],
        help="AT:KIND[:VALUE[:VALUE]]",
    )
    for name, text in (
        ("--broken", "beliefs about Polymarket that are false, NAME,…"),
        ("--intact", "beliefs that hold although they are doubtful by default, NAME,…"),
    ):
        add(name, type=_broken, default=frozenset(), metavar="NAME,…", help=text)
    _add_replay(parser)
    add("--send-buffer", type=_count, default=8 << 20, help="bytes kept for a slow reader")
    add("--subscribe-timeout", type=_number, default=30.0, help="seconds to the first subscription")
    add("--idle-timeout", type=_number, default=125.0, help="seconds without a client message")
    add(
        "--judge",
        nargs="?",
        const="",
        metavar="DATABASE",
        help="serve nothing: compare the ledger of --dir with this database (a URL or host=… …;"
        " default: TRACKER_DATABASE_URL)",
    )
    add("--die-with-parent", action="store_true", help="end when the starting process ends")
    return parser


def _add_replay(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("recorded payloads instead of generated ones").add_argument
    helps = {
        "--replay": "frames: files or folders of .json and .jsonl; or one recording of a look",
        "--replay-gamma": "Gamma markets, served as they are",
        "--replay-clob": "CLOB markets, served as they are",
        "--replay-data": "rows of /v2/resolutions, served as they are",
    }
    for name, text in helps.items():
        add(name, type=Path, action="append", default=[], metavar="PATH", help=text)
    add("--minify", action="store_true", help="send frames without white space")
    add("--whole-arrays", action="store_true", help="send a JSON array as one frame, not as many")
    add("--speed", type=_speed, default=1.0, help="of a recording of a look; 2: twice as fast")
    add("--replay-per-second", type=_number, default=1000.0, help="frames to each connection")


def parse(argv: list[str]) -> Options:
    """Return the options of the command line.

    Raises:
        BadOption: An option is wrong.
    """
    given = vars(_parser().parse_args(argv))
    settle = given.pop("settle")
    lags = {name: _milliseconds(given.pop(f"lag_{name}")) for name in SOURCES}
    if given["port"] > 65_535:
        raise BadOption(f"argument --port: {given['port']} is above 65535")
    if given["run"] is not None and not 1 <= given["run"] < 10_000:
        raise BadOption(f"argument --run: {given['run']} is not in 1..9999")
    replay = Replay(
        frames=tuple(given.pop("replay")),
        gamma=tuple(given.pop("replay_gamma")),
        clob=tuple(given.pop("replay_clob")),
        data=tuple(given.pop("replay_data")),
        minify=given.pop("minify"),
        whole_arrays=given.pop("whole_arrays"),
        per_second=given.pop("replay_per_second"),
        speed=given.pop("speed"),
    )
    defaults: Mapping[str, float] = GENERATED
    if replay.frames or replay.gamma or replay.clob or replay.data:
        # A replay sends its recordings only, unless a rate is given.
        defaults = dict.fromkeys(GENERATED, 0)
    given.update({name: defaults[name] for name in GENERATED if given[name] is None})
    return Options(
        replay=replay,
        send_buffer_bytes=given.pop("send_buffer"),
        pace=Pace(settle=max(4, int(settle * 1000)), lags=lags),
        broken=in_force(given.pop("broken"), given.pop("intact")),
        faults=tuple(sorted(given.pop("faults"), key=lambda fault: fault.at)),
        **given,
    )


def _milliseconds(span: tuple[float, float]) -> tuple[int, int]:
    return (int(span[0] * 1000), int(span[1] * 1000))
