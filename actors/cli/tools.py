"""The modes that do something to the database, beside a tracker or without one."""

import os
from collections.abc import Callable

from actors.app.acknowledge import acknowledge
from actors.app.places import DATABASE, prepare_state_dir
from actors.app.reingest import Reingest
from actors.app.retire import retire
from actors.app.shell import open_shell
from actors.config.load import Invocation, Mode
from actors.database.schema import migrate
from actors.database.server.embedded import Embedded
from actors.database.session import check_dsn
from actors.errors import EXIT_OK
from actors.process import logs, output
from actors.process.runtime import stop_signals


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


TOOLS: dict[Mode, Callable[[Invocation], int]] = {
    Mode.MIGRATE: _migrate,
    Mode.REINGEST: _reingest,
    Mode.ACKNOWLEDGE: _acknowledge,
    Mode.RETIRE: _retire,
    Mode.PSQL: _psql,
}


def _print(text: str) -> None:
    output.put(f"{logs.for_people(text)}\n")
