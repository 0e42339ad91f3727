"""`bin/tracker`: runs the mode that the command line names and returns its exit code.

Exit codes: 0 good, 70 a fault of the tracker, 74 disk or address, 78 a person must act, 130 Ctrl-C
before it began to record or while it checked or migrated; `--psql` has those of psql. An error that
the user can mend is one line of text without a traceback; TRACKER_LOG_LEVEL=DEBUG shows it.
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence

from actors import __version__
from actors.app import look
from actors.app.acknowledge import acknowledge
from actors.app.database_of import advice_for
from actors.app.factory import DATABASE, check_places, prepare_state_dir
from actors.app.reingest import Reingest
from actors.app.retire import retire
from actors.app.shell import open_shell
from actors.app.tracker import Tracker
from actors.cli import demo
from actors.config.load import Invocation, Mode, describe, help_text, load, secret_variables
from actors.database.schema import migrate
from actors.database.schema.objects import named
from actors.database.server.embedded import Embedded
from actors.database.session import check_dsn
from actors.errors import (
    EXIT_CONFIG,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_IO,
    EXIT_OK,
    SHORTAGES,
    Fatal,
    StoreUnavailable,
    reason_of,
)
from actors.health.metrics import open_sentence, require_address, taken_sentence
from actors.model.storage import unsafe_sentence, unverified_sentence
from actors.process import logs, output
from actors.process.runtime import (
    HostTrackers,
    limit_automatic_gc,
    stop_signals,
    use_one_malloc_arena,
)

log = logging.getLogger(__name__)

YOUNG_OBJECTS = 10_000
"""New objects after which the garbage collector looks at the youngest generation.

Batches of trades are short-lived and in no reference cycle; with Python's default of 700 the
collector would look at each of them several times.
"""

SWITCH_S = 0.0005
"""Seconds after which a running thread must let a waiting thread run.

With Python's default of 5 ms a trade waits several times behind a busy reader on its way to
the database.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line names and return the exit code."""
    # Until the settings are read, and with them where lines go and which secrets must not be there.
    logs.configure("INFO", "auto", secrets=secret_variables(os.environ))
    restore_hooks = logs.install_hooks()
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # modes that have something to bring to an end see to it themselves
        _say("tracker: interrupted")
        return EXIT_INTERRUPTED
    except Exception:
        # Not left to Python, whose traceback would show whatever text the error has.
        log.critical("uncaught", extra={"where": "main"}, exc_info=True)
        return EXIT_INTERNAL
    finally:
        restore_hooks()


def _main(argv: Sequence[str]) -> int:
    try:
        invocation = load(argv, os.environ)
    except Fatal as exc:
        return _report_error(exc)
    for warning in invocation.warnings:
        _say(f"warning: {warning}")
    config = invocation.config
    logs.configure(config.log_level, config.log_format, secrets=config.secrets())
    try:
        return _MODES[invocation.mode](invocation)
    except Fatal as exc:
        log.debug("fatal", exc_info=True)
        return _report_error(exc)
    except StoreUnavailable as exc:
        _say(f"tracker: database: {exc}; {advice_for(config, exc)}")
        # A run needs none that answers: only an embedded one that does not start keeps it from
        # starting, and the next start may find what it lacked.
        return EXIT_IO if invocation.mode is Mode.RUN else EXIT_CONFIG
    except OSError as exc:
        if exc.errno not in SHORTAGES:
            raise  # a fault of ours
        _say(f"tracker: {reason_of(exc)}")
        return EXIT_IO


def _run(invocation: Invocation) -> int:
    use_one_malloc_arena()
    limit_automatic_gc(YOUNG_OBJECTS)
    sys.setswitchinterval(SWITCH_S)
    tracker = Tracker(invocation.config)
    with stop_signals(tracker.request_stop, on_hangup=_ignore_hangup):
        return tracker.run(invocation.duration_s)


def _ignore_hangup() -> None:
    """Go on: whoever sends it wants the settings to be read again, or has closed a terminal."""
    log.info("hangup_ignored", extra={"note": "settings are read at the start only"})


def _check(invocation: Invocation) -> int:
    """Check everything that a start needs, and print the settings in force.

    Online also print what is seen of each assumption about Polymarket.
    """
    config = invocation.config
    is_running = check_places(config)
    attention: list[str] = []
    if config.metrics_port is not None:
        # With a tracker here, the port may be that one's, whose place this one takes.
        has_others = is_running or HostTrackers(config.gamma_url).count() > 1
        require_address(config.metrics_address, 0 if has_others else config.metrics_port)
        if has_others:
            attention.append(taken_sentence(config.metrics_address, config.metrics_port))
    attention.append(open_sentence(config.open_to))
    if config.dsn:
        found = migrate.check(check_dsn(config.dsn).dsn, may_migrate=config.migrate)
        schema = f"{len(found.pending)} migrations to apply" if found.pending else "up to date"
        if found.missing:
            attention.append(f"the database lacks the {named(found.missing)} of sql/schema.sql")
        risks = (unverified_sentence(found.unverified), unsafe_sentence(found.unsafe))
        attention.extend(risks)
    else:
        schema = "embedded PostgreSQL, made at the first start"
    for line in describe(config).split("\n"):
        _print(line)
    _print(f"database: {schema}")
    if is_running:
        _print(f"state directory: a tracker runs on {config.state_dir}")
    attention = [each for each in attention if each]
    for each in attention:
        _print(f"attention: {each}")
    _print("all else is well" if attention else "all is well")
    if invocation.online:
        for line in look.as_text(look.look(config, invocation.record)):
            _print(line)
    return EXIT_OK


def _migrate(invocation: Invocation) -> int:
    config = invocation.config
    if config.dsn:
        return _apply(check_dsn(config.dsn).dsn)
    server = Embedded(prepare_state_dir(config.state_dir) / DATABASE)
    server.start()
    try:
        return _apply(server.prepare().owner)
    finally:
        server.stop()


def _apply(dsn: str) -> int:
    applied = migrate.apply(dsn)
    for line in [f"applied {name}" for name in applied] or ["the schema is up to date"]:
        _print(line)
    return EXIT_OK


def _reingest(invocation: Invocation) -> int:
    reingest = Reingest(invocation.config, invocation.since, _print)
    with stop_signals(reingest.request_stop):
        reingest.run()
    return EXIT_OK


def _acknowledge(invocation: Invocation) -> int:
    acknowledge(invocation.config, invocation.condition_id, invocation.reason, _print)
    return EXIT_OK


def _retire(invocation: Invocation) -> int:
    retire(invocation.config, invocation.journal, _print)
    return EXIT_OK


def _psql(invocation: Invocation) -> int:
    return open_shell(invocation.config, invocation.arguments, os.environ)


def _demo(invocation: Invocation) -> int:
    demo.check_broken(invocation.broken)
    prepare_state_dir(invocation.config.state_dir)
    return demo.run(invocation.config, duration_s=invocation.duration_s, broken=invocation.broken)


def _version(_: Invocation) -> int:
    _print(f"tracker {__version__}")
    return EXIT_OK


def _help(_: Invocation) -> int:
    for line in help_text().split("\n"):
        _print(line)
    return EXIT_OK


_MODES: dict[Mode, Callable[[Invocation], int]] = {
    Mode.RUN: _run,
    Mode.CHECK: _check,
    Mode.MIGRATE: _migrate,
    Mode.REINGEST: _reingest,
    Mode.ACKNOWLEDGE: _acknowledge,
    Mode.RETIRE: _retire,
    Mode.PSQL: _psql,
    Mode.DEMO: _demo,
    Mode.VERSION: _version,
    Mode.HELP: _help,
}


def _report_error(exc: Fatal) -> int:
    for line in exc.lines:
        _say(f"tracker: {line}")
    return exc.exit_code


def _say(text: str) -> None:
    output.say(logs.for_people(text))


def _print(text: str) -> None:
    output.put(f"{logs.for_people(text)}\n")
