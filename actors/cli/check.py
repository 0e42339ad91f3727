"""`tracker --check`: whether a start would work, and online whether Polymarket is as assumed."""

from actors.app.places import check_places
from actors.config.load import Invocation, describe
from actors.database.schema import migrate
from actors.database.schema.objects import named
from actors.database.session import check_dsn
from actors.errors import EXIT_OK
from actors.model.storage import unsafe_sentence, unverified_sentence
from actors.process import logs, output
from actors.process.runtime import HostTrackers


def check(invocation: Invocation) -> int:
    """Check everything that a start needs, and print the settings in force.

    Online also print what is seen of each assumption about Polymarket.
    """
    config = invocation.config
    is_running = check_places(config)
    attention: list[str] = []
    if config.metrics_port is not None:
        # Here, as what looks at Polymarket below: seldom asked for, and slow to import.
        from actors.health.metrics import (  # noqa: PLC0415
            open_sentence,
            require_address,
            taken_sentence,
        )

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
        from actors.app import look  # noqa: PLC0415

        for line in look.as_text(look.look(config, invocation.record)):
            _print(line)
    return EXIT_OK


def _print(text: str) -> None:
    output.put(f"{logs.for_people(text)}\n")
