"""Flags, environment, systemd credentials and a TOML file → one frozen `Config`.

A value is taken from the first source that has it, in that order, else it is the
default. A wrong value, an unknown flag and an unknown key of the file are errors that
name the setting, its source and what to do. An unknown TRACKER_ variable is only a
warning, since it may belong to another program. No message repeats a value: it may be a
password.
"""

import contextlib
import difflib
import math
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from actors.config import paths
from actors.config.manual import (
    OTHER_VARIABLES,
    describe,
    flag,
    is_secret,
    parser,
    variable,
)
from actors.config.settings import Config
from actors.config.types import SHORTEST_SECRET
from actors.errors import ConfigError, WrongSettings, start_error

__all__ = [
    "Config",
    "Invocation",
    "Mode",
    "describe",
    "help_text",
    "load",
    "secret_variables",
    "socket_candidates",
]

LARGEST_FILE = 1 << 20
"""Largest configuration file or credential, in bytes."""

LONGEST_REASON = 500
"""Longest reason of an acknowledgement, in characters."""

END = "--"
"""Ends our arguments; what follows is for psql."""

_PLACES = ("status_socket", "state_dir")


class Mode(StrEnum):
    """What the command line asks the process to do."""

    RUN = "run"
    CHECK = "check"
    MIGRATE = "migrate"
    REINGEST = "reingest"
    ACKNOWLEDGE = "acknowledge"
    RETIRE = "retire"
    PSQL = "psql"
    DEMO = "demo"
    VERSION = "version"
    HELP = "help"


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What one command line asks for.

    Attributes:
        config: The defaults when the mode is `version` or `help`.
        duration_s: Seconds after which the run ends by itself, or None.
        broken: Of a demo: beliefs that are false in its simulator, names with commas.
        online: Of a check: also look at Polymarket.
        record: Of a look: the directory for its recording, or None.
        since: Of a reingest: only what was received then or later, or None.
        condition_id: Of an acknowledgement: the market; `reason`: what was decided about it.
        journal: Of a retirement: a host, or the id of a journal.
        arguments: Of a shell: those for psql.
        warnings: Things to be aware of, one sentence each, without secrets.
    """

    config: Config
    mode: Mode
    duration_s: float | None = None
    broken: str = ""
    online: bool = False
    record: Path | None = None
    since: datetime | None = None
    condition_id: str = ""
    journal: str = ""
    reason: str = ""
    arguments: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Layer:
    """The raw values of one source, and where each of them stands."""

    values: dict[str, object] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, value: object, origin: str) -> None:
        self.values[name] = value
        self.origins[name] = origin


def load(
    argv: Sequence[str], environ: Mapping[str, str], *, credentials: Path | None = None
) -> Invocation:
    """Read all sources and return what they mean.

    Args:
        argv: The command line without the name of the program.
        environ: The environment.
        credentials: Directory of systemd credentials; None: `$CREDENTIALS_DIRECTORY`.

    Raises:
        ConfigError: A source or a value is wrong; of values, one line for each error.
    """
    flags, run, file = _command_line(argv)
    if run.mode in (Mode.VERSION, Mode.HELP):
        return run
    warnings: list[str] = [*_exposed(flags, run.mode), *_unknown_variables(environ)]
    if credentials is None and environ.get("CREDENTIALS_DIRECTORY"):
        credentials = Path(environ["CREDENTIALS_DIRECTORY"])
    path = file or environ.get("TRACKER_CONFIG")
    layers = [
        flags,
        _variables(environ),
        _credentials(credentials, warnings) if credentials else _Layer(),
        _file(Path(path), warnings) if path else _Layer(),
        _platform(environ),
    ]
    return replace(run, config=_build(layers), warnings=tuple(warnings))


def help_text() -> str:
    """Return the text of `--help`."""
    return parser().format_help()


def secret_variables(environ: Mapping[str, str]) -> set[str]:
    """Return what the environment says that must not be shown, before anything is known of it."""
    given = (environ.get(variable(name), "") for name in Config.model_fields if is_secret(name))
    words = {part.strip() for text in given for part in (text, *text.split(","))}
    return {word for word in words if len(word) >= SHORTEST_SECRET}


def socket_candidates(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the status socket of a tracker may be, the most likely place first.

    One place when the environment, or the file that it names, sets it; else the usual ones.
    """
    layers = [_variables(environ)]
    if environ.get("TRACKER_CONFIG"):
        # The file may be readable only for the user of the tracker.
        with contextlib.suppress(ConfigError):
            layers.append(_file(Path(environ["TRACKER_CONFIG"]), []))
    places = [{n: v for n, v in layer.values.items() if n in _PLACES} for layer in layers]
    if any(places):
        return (_build([_Layer(values) for values in places]).status_socket,)
    return paths.usual_sockets(environ)


def _command_line(argv: Sequence[str]) -> tuple[_Layer, Invocation, str | None]:
    """Return the settings given by flags, what is asked for (without settings), and the file."""
    ours = list(argv[: argv.index(END)] if END in argv else argv)
    known, unknown = parser().parse_known_args(ours)
    if unknown:
        raise ConfigError(_unknown_argument(argv.index(unknown[0]) + 1, unknown[0]))
    given = vars(known)
    asked = given.pop("modes") or []
    condition_id, reason = given.pop("acknowledge"), given.pop("reason")
    journal = given.pop("retire")
    valued = ((Mode.ACKNOWLEDGE, condition_id), (Mode.RETIRE, journal))
    asked = [*asked, *(mode for mode, value in valued if value is not None)]
    modes = set(asked or [Mode.RUN])
    file, duration, broken = given.pop("config"), given.pop("duration"), given.pop("broken")
    online, record, since = given.pop("online"), given.pop("record"), given.pop("since")
    if len(modes) > 1:
        both = " and ".join(f"--{mode}" for mode in sorted(modes))
        raise ConfigError(f"{both} exclude each other; give one of them")
    mode = Mode(modes.pop())
    layer = _Layer()
    for name, value in given.items():
        layer.put(name, value, f"flag {flag(name)}")
    if END in argv and mode is not Mode.PSQL:
        raise ConfigError(f"{END}: only with --psql, for the arguments of psql")
    if broken is not None and mode is not Mode.DEMO:
        raise ConfigError("--broken: only with --demo")
    if online and mode is not Mode.CHECK:
        raise ConfigError("--online: only with --check")
    if record is not None and not online:
        raise ConfigError("--record: only with --check --online")
    if record == "":
        raise ConfigError("--record: must name a directory")
    run = Invocation(
        config=Config.model_construct(),  # not read: what the defaults are may be in the way
        mode=mode,
        duration_s=_duration(duration, mode),
        broken=broken or "",
        online=online,
        record=Path(record) if record else None,
        since=_since(since, mode),
        condition_id=(condition_id or "").strip(),
        reason=_reason(reason, condition_id, mode),
        journal=_journal(journal),
        arguments=tuple(argv[len(ours) + 1 :]),
    )
    return layer, run, file


def _duration(text: str | None, mode: Mode) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ConfigError("--duration: must be a number of seconds above 0")
    if mode not in (Mode.RUN, Mode.DEMO):
        raise ConfigError("--duration: only for a run or a demo")
    return seconds


def _since(text: str | None, mode: Mode) -> datetime | None:
    if text is None:
        return None
    if mode is not Mode.REINGEST:
        raise ConfigError("--since: only with --reingest")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            "--since: must be a time such as 2026-11-01 or 2026-11-01T12:30 (UTC)"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _journal(text: str | None) -> str:
    if text is not None and not text.strip():
        raise ConfigError("--retire: must name a host, or a journal by its id")
    return (text or "").strip()


def _reason(text: str | None, condition_id: str | None, mode: Mode) -> str:
    if mode is not Mode.ACKNOWLEDGE:
        if text is not None:
            raise ConfigError("--reason: only with --acknowledge")
        return ""
    if not (condition_id or "").strip():
        raise ConfigError("--acknowledge: must name a market by its condition id, 0x…")
    reason = (text or "").strip()
    if not reason:
        raise ConfigError("--acknowledge: needs --reason TEXT, which says what was decided")
    if len(reason) > LONGEST_REASON:
        raise ConfigError(f"--reason: must have at most {LONGEST_REASON} characters")
    return reason


def _unknown_argument(place: int, text: str) -> str:
    flags = [option for action in parser()._actions for option in action.option_strings]  # noqa: SLF001 - argparse has no public list of its options
    if not text.startswith("-"):
        # By its place: what it says may be a password.
        what = f"argument {place} belongs to no option{_suggestion(f'--{text}', flags)}"
        return f"{what}: each takes one value, several in it with commas; see tracker --help"
    name = re.sub(r"[^\w-].*", "", text, flags=re.DOTALL)[:60]
    return f"unknown option {name}{_suggestion(name, flags)}; see tracker --help"


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f" (did you mean {near[0]}?)" if near else ""


def _exposed(flags: _Layer, mode: Mode) -> list[str]:
    given = [name for name in flags.values if is_secret(name)]
    of_demo = "give a password of it in PGPASSWORD"  # which takes no database from elsewhere
    return [
        f"{flag(name)}: other users of this host can read it in the process list; "
        + (of_demo if mode is Mode.DEMO else f"use {variable(name)}, a systemd credential or the"
           " file when it holds a password or key")
        for name in given
    ]  # fmt: skip


def _variables(environ: Mapping[str, str]) -> _Layer:
    layer = _Layer()
    for name in Config.model_fields:
        text = environ.get(variable(name), "").strip()
        if text:
            layer.put(name, text, f"variable {variable(name)}")
    return layer


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    known = {*map(variable, Config.model_fields), *OTHER_VARIABLES}
    return [
        f"unknown variable {name}{_suggestion(name, known)}: it has no effect"
        for name in sorted(environ)
        if name.startswith("TRACKER_")
        and name not in known
        and not name.startswith("TRACKER_TEST_")
    ]


def _credentials(directory: Path, warnings: list[str]) -> _Layer:
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError as exc:
        raise start_error(
            exc,
            "the credentials directory cannot be read",
            "unset CREDENTIALS_DIRECTORY or give the tracker's user access",
        ) from exc
    layer = _Layer()
    for name in names:
        if name not in Config.model_fields:
            warnings.append(f"unknown credential {name[:60]!r}: it has no effect")
        elif text := _read(directory / name).decode(errors="replace").strip():
            layer.put(name, text, f"credential {name}")
    return layer


def _file(path: Path, warnings: list[str]) -> _Layer:
    raw = _read(path)
    try:
        table = tomllib.loads(raw.decode())
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: is not UTF-8 text") from exc
    except tomllib.TOMLDecodeError as exc:
        place = re.search(r"\(at (.*?)\)$", str(exc))
        raise ConfigError(f"{path}: is not TOML{' at ' + place[1] if place else ''}") from exc
    layer = _Layer()
    for name, value in table.items():
        where = f"file {path} line {_line_of(name, raw.decode())}"
        if name not in Config.model_fields:
            hint = _suggestion(name, Config.model_fields)
            raise ConfigError(f"{where}: unknown key {name[:60]!r}{hint}; see tracker --help")
        layer.put(name, value, where)
    secret = [name for name in layer.values if is_secret(name)]
    if secret and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        keys = ", ".join(secret)
        warnings.append(f"{path}: holds {keys} and others can read it; set its mode to 0600")
    return layer


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as exc:
        raise start_error(exc, f"{path}: cannot be read") from exc
    if len(raw) > LARGEST_FILE:
        raise ConfigError(f"{path}: is larger than {LARGEST_FILE} bytes")
    return raw


def _line_of(key: str, text: str) -> int:
    pattern = re.compile(rf"""\s*(\[\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if pattern.match(line)), 1)


def _platform(environ: Mapping[str, str]) -> _Layer:
    """Return the directories that systemd created for this service, or those of the platform."""
    layer = _Layer()
    places = {"state_dir": paths.state_dir(environ), "status_socket": paths.status_socket(environ)}
    for name, place in places.items():
        if place is not None:
            layer.put(name, *place)
    return layer


def _build(layers: Sequence[_Layer]) -> Config:
    origins: dict[str, str] = {}
    for layer in reversed(layers):
        origins |= layer.origins
    try:
        config = Config(layers=tuple(layer.values for layer in layers))  # type: ignore[call-arg]
    except ValidationError as exc:
        raise WrongSettings(dict.fromkeys(_errors(exc, origins))) from exc
    return config.with_origins(origins)


def _errors(exc: ValidationError, origins: Mapping[str, str]) -> Iterable[str]:
    # The input may be a password.
    for error in exc.errors(include_input=False, include_context=False, include_url=False):
        text = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
        name = str(error["loc"][0]) if error["loc"] else text.partition(":")[0]
        text = text.removeprefix(f"{name}: ")
        if len(error["loc"]) > 1:  # of a list; which one it is, since its text is not repeated
            text = f"number {int(error['loc'][1]) + 1} {text}"
        meaning = Config.model_fields[name].description if name in Config.model_fields else ""
        yield f"{name} ({origins.get(name, 'default')}): {text}. {meaning}".strip()
