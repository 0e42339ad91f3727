"""The tables in docs/reference are complete: status, metrics, dependencies, simulator."""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.health import metric_tables as metrics
from actors.health import rules
from actors.model.assumptions import Assumption
from actors.simulator import beliefs, fault_injector, options
from actors.simulator.market import ENDLESS, FATES, ODDITIES
from tests.health.test_metrics import ELSEWHERE
from tests.health.test_schema import SCHEMA

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PLAIN = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
METRIC = re.compile(r"\b(?:tracker|process)_\w+")


def tables(page: str, title: str = "") -> Iterator[dict[str, str]]:
    """Return the rows of the tables of a page, or of a part of it, by the names of the columns."""
    text = (REFERENCE / page).read_text()
    if title:
        text = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        assert text, title
    head: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif not line.startswith("|---"):
            assert len(cells) == len(head), line
            assert cells[-1] or head[-1] in ("status field", "start it again?"), line
            yield dict(zip(head, cells, strict=True))


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# ------------------------------------------------------------------- the status


def leaves(part: dict[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    """Return the path and the name of the type of every field of the document."""
    if "$ref" in part:
        part = SCHEMA["$defs"][part["$ref"].rpartition("/")[2]]
    kinds = part.get("anyOf", [part])
    some = [kind for kind in kinds if kind.get("type") != "null"]
    (kind,) = some
    if "$ref" in kind:
        yield from leaves(kind, at)
    elif "properties" in kind:
        for name, inner in kind["properties"].items():
            yield from leaves(inner, f"{at}.{name}" if at else name)
    elif "enum" in kind:
        yield at, "text"
    elif kind["type"] == "array":
        yield from _each(kind["items"], f"{at}[]", at, "list of")
    elif kind["type"] == "object":
        yield from _each(kind["additionalProperties"], f"{at}.*", at, "map of")
    else:
        yield at, PLAIN[kind["type"]] + (" or null" if len(kinds) > 1 else "")


def _each(inner: dict[str, Any], entry: str, whole: str, what: str) -> Iterator[tuple[str, str]]:
    if "$ref" in inner:
        yield from leaves(inner, entry)
    else:
        yield whole, f"{what} {'text' if 'enum' in inner else PLAIN[inner['type']]}"


FIELDS = dict(leaves(SCHEMA))


def test_every_field_of_the_status_is_explained_with_its_type() -> None:
    told = [(name, row["type"]) for row in tables("status.md") if "field" in row
            for name in names(row["field"])]  # fmt: skip

    assert len(told) == len(set(told)) > 80
    assert dict(told) == FIELDS


# ------------------------------------------------------------------ the metrics


def spelled(field: str) -> str:
    """Return how the pages write the field of a metric."""
    field = re.sub(r"^assumptions\.", "assumptions.*.", field)
    field = re.sub(r"^latest\.(\w+)\.", r"latest.\1[].", field)
    field = re.sub(r"^(connections\.list|assets\.unconfirmed)\.", r"\1[].", field)
    return re.sub(r"^(resolutions\.sources|catalog\.requests|timing\.requests)\.", r"\1.*.", field)


def in_source() -> dict[str, tuple[str, str, set[str]]]:
    """Return the type, the labels and the fields of each metric of the source."""
    made = {
        "tracker_up": ("gauge", "", set[str]()),
        "tracker_info": (
            "gauge", "version, host, pid, server, database",
            {field for field, place in ELSEWHERE.items() if place == "tracker_info"},
        ),
        "tracker_connection_series": ("gauge", "", set[str]()),
        "tracker_connection_state": (
            "gauge", "connection, state",
            {spelled(f) for f, place in ELSEWHERE.items() if place == "tracker_connection_state"},
        ),
    }  # fmt: skip
    for gauge in metrics.GAUGES:
        made[f"tracker_{gauge.name}"] = ("gauge", "", {spelled(gauge.field)})
    for counter in metrics.COUNTERS:
        made[f"tracker_{counter.name}_total"] = ("counter", "", {spelled(counter.field)})
    for one in metrics.NAMED:
        name, kind = _counted(one)
        made[name] = (kind, one.label, {spelled(one.field)})
    for timed in metrics.TIMED:
        found = f"{timed.field}.counts" if timed.field.startswith("timing") else timed.field
        made[f"tracker_{timed.name}"] = ("histogram", timed.label, {spelled(found)})
    for each in metrics.EACH:
        name, kind = _counted(each)
        made[name] = (kind, "connection", {spelled(f"connections.list.{each.field}")})
    return made


def _counted(one: metrics.Named | metrics.Each) -> tuple[str, str]:
    return (
        (f"tracker_{one.name}_total", "counter") if one.counts else (f"tracker_{one.name}", "gauge")
    )


METRICS = [row for row in tables("metrics.md") if "metric" in row]
INSTEAD = {
    name: row["instead"]
    for row in tables("metrics.md", "Fields without a metric of their own")
    for name in names(row["status field"])
}


def test_every_metric_is_explained_with_its_type_labels_and_field() -> None:
    told = [
        (name, (row["type"], row["labels"], set(names(row["status field"]))))
        for row in METRICS
        for name in names(row["metric"])
        if name.startswith("tracker_")
    ]

    assert len(told) == len(dict(told))
    assert dict(told) == in_source()
    assert all(row["meaning"] for row in METRICS)


def test_every_field_has_a_metric_or_is_found_elsewhere() -> None:
    mapped = {name for row in METRICS for name in names(row["status field"])}

    assert mapped | set(INSTEAD) == set(FIELDS)
    assert not mapped & set(INSTEAD)


@pytest.mark.parametrize("field", sorted(INSTEAD))
def test_what_is_used_instead_is_a_metric(field: str) -> None:
    there = {name for row in METRICS for name in names(row["metric"])}
    place = {spelled(name): place for name, place in ELSEWHERE.items()}[field]

    made = {f"{row}_{part}" for row in there for part in ("sum", "bucket")}
    assert set(METRIC.findall(INSTEAD[field])) <= there | made
    wanted = [name for name in METRIC.findall(place) if "text for people" not in place]
    assert set(METRIC.findall(INSTEAD[field])) == set(wanted)


# ------------------------------------------------------------- the dependencies


def test_every_dependency_has_its_line_and_no_other_has_one() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    asked = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    wanted = {
        re.split(r"[^\w-]", line)[0]
        for lines in asked
        for line in lines.splitlines()
        if line and line[0] != "#"
    }
    told = [
        re.split(r"[\[ ]", name.strip())[0]
        for row in tables("dependencies.md")
        for name in re.sub(r"`[^`]*`", "", row["package"]).split(",")
    ]

    assert sorted(told) == sorted(wanted)


# ---------------------------------------------------------------- the simulator


def test_every_option_of_the_simulator_is_explained() -> None:
    there = {
        option
        for action in options._parser()._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    told = [
        name.split()[0]
        for row in tables("simulator.md", "Options")
        for name in names(row["option"])
    ]

    assert sorted(told) == sorted(there)


def test_every_fault_of_the_simulator_is_explained_with_its_values() -> None:
    told: dict[str, list[str]] = {}
    for row in tables("simulator.md", "Faults"):
        (cell,) = [row[head] for head in row if head.startswith("kind and values")]
        kinds, shared = names(cell), names(cell)[-1].split(":")[1:]
        for kind in kinds:
            name, *values = kind.split(":")
            told[name] = values or shared

    assert told == {kind: list(values) for kind, values in fault_injector.FAULTS.items()}


def test_every_break_of_the_simulator_is_explained_as_the_code_has_it() -> None:
    told = {
        row["broken"].split()[0].strip("`"): (
            "*default*" in row["broken"],
            row["belief"],
            row["certainty"],
            row["what the simulator does"],
        )
        for row in tables("simulator.md", "Beliefs")
    }

    assert told == {
        name: (name in beliefs.DEFAULTS, each.belief, each.certainty, each.effect)
        for name, each in beliefs.BREAKS.items()
    }


def test_every_fate_and_oddity_of_the_simulator_is_explained() -> None:
    fates = {row["fate"].strip("`") for row in tables("simulator.md", "How markets end")}
    told = [name for row in tables("simulator.md", "Oddities") for name in names(row["oddity"])]

    assert fates == {*FATES, *ENDLESS}
    assert sorted(told) == sorted(ODDITIES)


# -------------------------------------------------------------- the assumptions


def test_every_assumption_is_explained_with_the_reason_that_it_gives() -> None:
    rows = list(tables("../explanation/polymarket.md", "Assumptions"))
    given = {name for row in rows for name in names(row["reason"])}

    assert [name for row in rows for name in names(row["name"])] == list(Assumption)
    assert given <= {rule.code for rule in rules.RULES}
    assert all(row["reason"] == "counted" or names(row["reason"]) for row in rows)
