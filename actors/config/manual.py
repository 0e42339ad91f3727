"""The manual of the settings: flags, help, docs/reference/configuration.md, values in effect.

All of it is generated from the declaration in `actors.config.settings`.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn, cast

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from actors.config.arguments import OnceParser, plain
from actors.config.settings import Config
from actors.errors import ConfigError
from actors.model.conversion import terminal_safe

MODES = {
    "check": "validate everything, print the values in effect without secrets, and exit",
    "migrate": "bring the database schema up to date, and exit",
    "reingest": "read the kept messages again, store the trades that are understood now, and exit",
    "acknowledge": "end the open contradictions about a market, because a person decided, and exit",
    "retire": "end what a tracker wanted that will not return, as of its last sign, and exit",
    "psql": "open psql on the database; what follows a -- is for psql: --psql -- -c 'select 1'",
    "demo": "run against a simulated Polymarket, with a live view; needs nothing else",
    "version": "print the version, and exit",
    "help": "print this help, and exit",
}

MODE_VALUES = {"acknowledge": "CONDITION", "retire": "HOST"}
"""What stands behind a mode, for those that need it."""

OPTIONS = {
    "--duration": ("SECONDS", "stop after this many seconds"),
    "--broken": ("NAME,…", "with --demo: beliefs about Polymarket that are false"),
    "--online": (
        "",
        "with --check: also look at Polymarket, for a minute, and say what is not as assumed",
    ),
    "--record": ("DIR", "with --online: keep all that came, in a new directory"),
    "--since": (
        "TIME",
        "with --reingest: only messages received since then, such as 2026-11-01 (UTC)",
    ),
    "--reason": ("TEXT", "with --acknowledge: what was decided; it is stored"),
    "--config": ("FILE", "TOML file with settings"),
}
"""Options that are no settings: what stands behind them, and their help."""

OTHER_VARIABLES = {
    "TRACKER_CONFIG": "A TOML file with settings, as --config.",
    "TRACKER_POSTGRES_BIN": "Directory with the PostgreSQL programs for the embedded database.",
}
"""Variables that are read but are no settings. Names that begin with TRACKER_TEST_ are free."""

PRECEDENCE = "flag, then environment variable, then systemd credential, then file, then default"


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"TRACKER_{name.upper()}"


def flag(name: str) -> str:
    """Return the flag of a setting; that of a setting which is on by default switches it off."""
    words = name.replace("_", "-")
    return f"--no-{words}" if Config.model_fields[name].default is True else f"--{words}"


def is_secret(name: str) -> bool:
    """Return whether the value of this setting must never be shown."""
    return "SecretStr" in str(Config.model_fields[name].annotation)


class _Parser(OnceParser):
    """An argument parser that never repeats a value: it may be a password."""

    def error(self, message: str) -> NoReturn:
        text = re.sub(r" '.*'", "", plain(message), flags=re.DOTALL)
        raise ConfigError(f"{text}; see tracker --help")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. It returns texts; `Config` checks them."""
    made = _Parser(
        prog="tracker",
        description="Record every trade of Polymarket and the final outcome of every market.",
        epilog=f"A value is taken from the first source that has it: {PRECEDENCE}.",
        # A new flag would change what an abbreviation means, or make it an error.
        allow_abbrev=False,
        add_help=False,
    )
    modes = made.add_argument_group("modes (without one: run)")
    for mode, text in MODES.items():
        if mode in MODE_VALUES:
            modes.add_argument(f"--{mode}", metavar=MODE_VALUES[mode], help=text)
            continue
        short = ("-h",) if mode == "help" else ()
        modes.add_argument(
            *short, f"--{mode}", dest="modes", action="append_const", const=mode, help=text
        )
    for name, (metavar, text) in OPTIONS.items():
        if metavar:
            made.add_argument(name, metavar=metavar, help=text)
        else:
            made.add_argument(name, action="store_true", help=text)
    for group, names in grouped():
        section = made.add_argument_group(group)
        for name in names:
            _add(section, name)
    return made


def grouped() -> Iterator[tuple[str, list[str]]]:
    """Yield each heading with the names of the settings under it, in order of declaration."""
    groups: dict[str, list[str]] = {}
    for name, field in Config.model_fields.items():
        groups.setdefault(_extra(field)["group"], []).append(name)
    yield from groups.items()


def default_text(name: str) -> str:
    """Return the default of a setting as text."""
    field = Config.model_fields[name]
    return _extra(field)["shown"] or _plain(field.default)


def bounds_text(name: str) -> str:
    """Return the range of a setting, or its choices, as text; empty when there is neither."""
    field = Config.model_fields[name]
    low = next((_plain(m.ge) for m in field.metadata if isinstance(m, Ge)), "")
    high = next((_plain(m.le) for m in field.metadata if isinstance(m, Le)), "")
    choices = re.findall(r"'([^']+)'", str(field.annotation)) if "Literal" in str(field) else []
    if choices:
        return ", ".join(choices)
    return f"{low} … {high}" if high else f"at least {low}" if low else ""


def markdown() -> str:
    """Return docs/reference/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "*Generated from `actors/config/settings.py` by `python -m actors.config.manual`;",
        "a test compares them.*",
        "",
        f"A value is taken from the first source that has it: {PRECEDENCE}.",
        "`tracker --check` validates everything and prints every value in effect with its source,",
        "without secrets. `tracker --check --online` also",
        "[looks at Polymarket](../explanation/polymarket.md#what-holds-today) for up to a minute.",
        "",
        *_RULES,
    ]
    lines += ["", "## Modes and options", "", "Without a mode the tracker runs.", ""]
    lines += ["| flag | meaning |", "|---|---|"]
    lines += [
        f"| `{' '.join(filter(None, (f'--{mode}', MODE_VALUES.get(mode))))}` | {text} |"
        for mode, text in MODES.items()
    ]
    lines += [
        f"| `{' '.join(filter(None, (name, metavar)))}` | {text} |"
        for name, (metavar, text) in OPTIONS.items()
    ]
    for group, names in grouped():
        lines += ["", f"## {group}", "", "| variable | default | range | meaning |"]
        lines += ["|---|---|---|---|", *(_row(name) for name in names)]
    lines += ["", "## Other variables", "", "| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in OTHER_VARIABLES.items()]
    return "\n".join(lines) + "\n"


def describe(config: Config) -> str:
    """Return the values in effect, one setting per line with its source, without secrets."""
    rows = [(name, _effective(config, name), config.origin(name)) for name in Config.model_fields]
    widest = max(len(name) for name, _, _ in rows)
    return "\n".join(f"{name:<{widest}}  {value}  [{origin}]" for name, value, origin in rows)


def _effective(config: Config, name: str) -> str:
    shown = config.shown(name)
    return default_text(name) if shown == "unset" else terminal_safe(shown)


_RULES = (
    "- **Flag**: the variable without `TRACKER_`, in lower case, with dashes:",
    "  `TRACKER_STATE_DIR` is `--state-dir`. A setting that is on by default is switched off by",
    "  `--no-…` (`--no-migrate`), one that is off is switched on by its name (`--audit-stream`).",
    "  Other users of the host can see flags: no passwords there.",
    "- **Variable**: an empty one counts as unset; for an unknown one that begins with `TRACKER_`",
    "  there is a warning.",
    "- **Credential**: a file in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=`) named like",
    "  the file key, such as `database_url`.",
    "- **File**: TOML, named by `--config` or `TRACKER_CONFIG`. The keys are the variables without",
    '  `TRACKER_`, in lower case: `database_url = "postgresql://…"`. Lists may be lists. An',
    "  unknown key is an error. Keep it at mode 0600 when it holds a password.",
)


def _add(section: Any, name: str) -> None:
    field = Config.model_fields[name]
    text = f"{field.description} [{variable(name)}; default: {default_text(name)}]"
    text = text.replace("%", "%%")
    if field.annotation is bool:
        described = str(field.description)
        if field.default:
            text = text.replace(described, f"Do not {described[0].lower()}{described[1:]}")
        section.add_argument(
            flag(name), dest=name, action="store_const", const="false" if field.default else "true",
            default=argparse.SUPPRESS, help=text,
        )  # fmt: skip
        return
    section.add_argument(
        flag(name), dest=name, metavar="VALUE", default=argparse.SUPPRESS, help=text
    )


def _row(name: str) -> str:
    field = Config.model_fields[name]
    secret = " Secret." if is_secret(name) else ""
    return (
        f"| `{variable(name)}` | {default_text(name)} | {bounds_text(name)}"
        f" | {field.description}{secret} |"
    )


def _extra(field: FieldInfo) -> dict[str, str]:
    return cast("dict[str, str]", field.json_schema_extra)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, SecretStr) or value is None:
        return "unset"
    return "empty" if value == () else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.stdout.write(markdown())
