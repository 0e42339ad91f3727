"""`tracker --retire`: what a tracker wanted that will not return is no gap for ever."""

from collections.abc import Callable
from urllib.parse import quote, urlencode
from uuid import UUID

import pytest
from psycopg.conninfo import conninfo_to_dict

from actors.app.retire import retire
from actors.config.load import Invocation, Mode, load
from actors.database.store import Store
from actors.errors import ConfigError
from actors.model.facts import ProcessAlive, ProcessStarted, TokensWanted
from actors.model.storage import Batch
from tests.database.samples import YES, at, ns
from tests.postgres import ask, do

pytestmark = pytest.mark.db

GONE, HERE = UUID(int=1), UUID(int=2)


def asked(url: str, *argv: str) -> Invocation:
    return load(argv, {"TRACKER_DATABASE_URL": url})


def said(dsn: str, name: str) -> list[str]:
    url = f"postgresql:///?{urlencode(conninfo_to_dict(dsn), quote_via=quote)}"
    lines: list[str] = []
    retire(asked(url, "--retire", name).config, name, lines.append)
    return lines


@pytest.fixture
def replaced(open_store: Callable[[UUID], Store], database: str) -> str:
    """Return a database in which one tracker ended and another one has not the same tokens."""
    for journal_id, host in ((GONE, "old"), (HERE, "new")):
        store = open_store(journal_id)
        facts = (ProcessStarted(ns(0), host, "1"), ProcessAlive(ns(60)))
        wanted = (TokensWanted(ns(0), (YES,)),) if journal_id == GONE else ()
        store.commit(Batch(facts=tuple(enumerate((*facts, *wanted), 1))))
    return database


def test_the_command_line_names_a_host_or_a_journal() -> None:
    found = asked("postgresql://h/d", "--retire", " old ")
    assert (found.mode, found.journal) == (Mode.RETIRE, "old")
    with pytest.raises(ConfigError, match="--retire: must name"):
        asked("postgresql://h/d", "--retire", " ")
    with pytest.raises(ConfigError, match="exclude"):
        asked("postgresql://h/d", "--retire", "old", "--check")


@pytest.mark.parametrize("name", ["old", str(GONE)])
def test_what_it_wanted_is_no_gap_from_when_it_was_last_seen(replaced: str, name: str) -> None:
    first, last = said(replaced, name)
    assert first.startswith(f"retired {GONE} of old, last seen 2026-")
    assert "returns" in last
    query = "select upper(gap) from coverage_gaps(%s, null, null)"
    assert ask(replaced, query, YES) == [(at(60),)]


def test_it_wants_it_again_when_it_returns(
    replaced: str, open_store: Callable[[UUID], Store]
) -> None:
    said(replaced, "old")
    open_store(GONE)
    assert ask(replaced, "select count(retired_at) from tracker.journals") == [(0,)]


def test_one_that_runs_is_not_retired(replaced: str) -> None:
    do(replaced, "update tracker.process_life set alive_at = now() where host = 'old'")
    with pytest.raises(ConfigError, match=r"old .*less than a minute ago: stop it first"):
        said(replaced, "old")
    assert ask(replaced, "select count(retired_at) from tracker.journals") == [(0,)]


def test_an_unknown_one_is_named_with_those_that_are_known(replaced: str) -> None:
    with pytest.raises(ConfigError, match=r"elsewhere .*old \(.*, last seen 2026-.*new \("):
        said(replaced, "elsewhere")
