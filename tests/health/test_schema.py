"""docs/reference/status.schema.json matches every document and describes every field."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.cli import status
from actors.cli.status_schema import schema
from tests.cli.status_samples import health
from tests.health.health_samples import START, WALL, document, outcomes, state, well
from tests.health.schema_check import faults

FILE = Path(__file__).parents[2] / "docs" / "reference" / "status.schema.json"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text())


def _documents() -> dict[str, Any]:
    away = well()
    away.store_lost(reason="rejected", at=START + 5)
    away.child_died("catalog", "KeyError", at=START + 5)
    resolving = well()
    resolving.resolution_reported(outcomes(pending=(("not closed", 3),)), at=START + 2)
    resolving.time_passed(START + 2, WALL)
    stopping = well()
    stopping.stopping()
    made = {"starting": state(), "away": away, "resolving": resolving, "stopping": stopping}
    said = {name: msgspec.to_builtins(document(each, START + 9)) for name, each in made.items()}
    plain: dict[str, Any] = json.loads(json.dumps(said))
    return {**plain, "healthy": health(), "dead": health(live=False)}


DOCUMENTS = _documents()


def test_the_file_is_made_from_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert FILE.read_text() == schema(), "renew it: bin/tracker-status --schema"
    assert status.main(["--schema"], environ={}) == 0
    assert capsys.readouterr().out == FILE.read_text()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_documents_of_every_state_match_the_schema(name: str) -> None:
    assert faults(json.loads(json.dumps(DOCUMENTS[name])), SCHEMA, SCHEMA) == []


def test_a_document_that_differs_does_not_match() -> None:
    good = json.loads(json.dumps(health()))
    assert faults({**good, "state": "fine"}, SCHEMA, SCHEMA)
    assert faults({**good, "pid": "7"}, SCHEMA, SCHEMA)
    assert faults({**good, "more": 1}, SCHEMA, SCHEMA)
    assert faults({**good, "trades": {}}, SCHEMA, SCHEMA)
    assert faults(
        {name: value for name, value in good.items() if name != "accounting"}, SCHEMA, SCHEMA
    )


def test_every_part_has_a_description() -> None:
    for name, part in SCHEMA["$defs"].items():
        assert part["description"], name
    assert "not committed" not in SCHEMA["$defs"]["Journal"]["description"]
    assert SCHEMA["$defs"]["Journal"]["properties"]["full"]["description"].startswith("Reading")
