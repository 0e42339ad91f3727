"""The pages of log events, reason codes and exit codes match the source."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from actors import errors
from actors.cli import status
from actors.dataset.export import commands
from actors.health import rules
from actors.model.connection import END_REASONS
from actors.model.storage import Committed
from actors.simulator import main as simulator
from actors.writer.notify import CommitSummary

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EVENTS = (DOCS / "reference" / "log-events.md").read_text()
RUNBOOK = (DOCS / "how-to" / "operate.md").read_text()
EXIT_CODES = (DOCS / "reference" / "exit-codes.md").read_text()
LEVELS = ("debug", "info", "warning", "error", "critical")
EVENT = re.compile(r"[a-z]+(_[a-z]+)*")
Functions = dict[str, ast.FunctionDef]


@dataclass
class Event:
    """What is known of one event. `fields` is None when the source builds them at run time."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] | None = field(default_factory=set)


@dataclass(frozen=True)
class Call:
    """One `log.…(…)` with the function and the module that it stands in."""

    node: ast.Call
    inside: ast.AST
    functions: Functions
    where: str

    @property
    def method(self) -> str:
        assert isinstance(self.node.func, ast.Attribute)
        return self.node.func.attr

    def event(self) -> str:
        name = self.node.args[1 if self.method == "log" else 0]
        assert isinstance(name, ast.Constant), f"{self.where}: an event's name is a plain string"
        assert isinstance(name.value, str)
        return name.value

    def levels(self) -> set[str]:
        if self.method == "exception":
            return {"ERROR"}
        if self.method != "log":
            return {self.method.upper()}
        return {
            node.attr
            for node in ast.walk(self._value(self.node.args[0]))
            if isinstance(node, ast.Attribute) and node.attr.isupper()
        }

    def fields(self) -> set[str] | None:
        named = {word.arg: word.value for word in self.node.keywords}
        found = self._keys(named["extra"]) if "extra" in named else set()
        if found is not None and ("exc_info" in named or self.method == "exception"):
            found = found | {"exc_info"}
        return found

    def _value(self, node: ast.expr) -> ast.expr:
        """Return what a name stands for: the last assignment to it above the call."""
        if not isinstance(node, ast.Name):
            return node
        given = [
            each.value
            for each in ast.walk(self.inside)
            if isinstance(each, ast.Assign)
            and each.lineno < self.node.lineno
            and any(isinstance(to, ast.Name) and to.id == node.id for to in each.targets)
        ]
        return given[-1] if given else node

    def _keys(self, node: ast.expr | None) -> set[str] | None:
        if node is None:
            return None
        node = self._value(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            function = self.functions.get(node.func.id)
            last = function.body[-1] if function else None
            return self._keys(last.value) if isinstance(last, ast.Return) else None
        if not isinstance(node, ast.Dict):
            return None
        keys: set[str] = set()
        for key, value in zip(node.keys, node.values, strict=True):
            found = {key.value} if isinstance(key, ast.Constant) else self._keys(value)
            if found is None:
                return None
            keys |= {str(each) for each in found}
        return keys


def calls() -> Iterator[Call]:
    for path in sorted((ROOT / "actors").rglob("*.py")):
        tree = ast.parse(path.read_text())
        functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        seen: set[ast.Call] = set()
        for inside in (*functions.values(), tree):
            for node in ast.walk(inside):
                if isinstance(node, ast.Call) and _logs(node) and node not in seen:
                    seen.add(node)
                    yield Call(node, inside, functions, f"{path.name}:{node.lineno}")


def _logs(node: ast.Call) -> bool:
    target = node.func
    return (
        isinstance(target, ast.Attribute)
        and target.attr in (*LEVELS, "exception", "log")
        and isinstance(target.value, ast.Name)
        and target.value.id in ("log", "logging")
    )


@cache
def in_source() -> dict[str, Event]:
    """Return what the source logs. By tests alone: to read all of it takes seconds."""
    events: dict[str, Event] = defaultdict(Event)
    for call in calls():
        event, fields = events[call.event()], call.fields()
        event.levels |= call.levels()
        known = event.fields is not None and fields is not None
        event.fields = {*(event.fields or ()), *(fields or ())} if known else None
    return events


def section(page: str, title: str) -> str:
    """Return the text below a heading of the second level."""
    _, _, rest = page.partition(f"\n## {title}\n")
    assert rest, title
    return rest.partition("\n## ")[0]


def in_page() -> dict[str, Event]:
    events: dict[str, Event] = {}
    for line in EVENTS.partition("\n## Why a connection ends\n")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `"):
            continue
        name, levels, fields, meaning, to_do = cells
        assert meaning, name
        assert to_do, name
        assert name.strip("`") not in events, f"{name} appears twice"
        events[name.strip("`")] = Event(set(levels.split(", ")), set(fields.split(", ")) - {"none"})
    return events


TABLE = in_page()


def test_every_logger_has_the_name_that_the_search_looks_for() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "actors").rglob("*.py"))

    assert set(re.findall(r"(\S+) = logging\.getLogger\(", text)) == {"log", "root"}
    assert len(in_source()) > 25


def test_every_event_of_the_source_is_in_the_table() -> None:
    assert set(in_source()) - set(TABLE) == set()


def test_every_event_of_the_table_is_in_the_source() -> None:
    assert set(TABLE) - set(in_source()) == set()


@pytest.mark.parametrize("name", sorted(TABLE))
def test_an_event_has_a_stable_name_its_levels_and_its_fields(name: str) -> None:
    assert EVENT.fullmatch(name)
    assert TABLE[name].levels == in_source()[name].levels
    fields = in_source()[name].fields
    if fields is None:
        assert name == "batches_written", "write its fields as a dict where it is logged"
    else:
        assert TABLE[name].fields == fields


def test_the_fields_of_batches_written_are_those_that_are_gathered() -> None:
    written = CommitSummary(every_s=1)
    gathered = Committed(stored=1, duplicates=0, rejected=0, watermark=1)
    written.add(gathered, oldest_received_ns=1, wall_ns=1)

    assert TABLE["batches_written"].fields == set(written.take(0.0))


def test_every_reason_code_has_its_entry_in_the_runbook_in_order() -> None:
    headings = re.findall(r"^### `(\w+)`$", section(RUNBOOK, "Runbook"), re.MULTILINE)

    assert headings == [rule.code for rule in rules.RULES]


def test_the_runbook_says_the_level_of_each_reason() -> None:
    told = re.findall(r"^### `(\w+)`\n\n\*(\w+)\.\* ", section(RUNBOOK, "Runbook"), re.MULTILINE)

    assert told == [(rule.code, rule.level) for rule in rules.RULES]


def test_no_entry_of_the_runbook_is_empty() -> None:
    for entry in section(RUNBOOK, "Runbook").split("\n### ")[1:]:
        heading, _, text = entry.partition("\n")
        assert len(text.split()) > 15, heading


def test_every_exit_code_is_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| `([\w-]+)` \| \S", EXIT_CODES, re.MULTILINE)
    told = {program: {int(code) for code, name in rows if name == program} for _, program in rows}
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    asked = {status.EXIT_HEALTHY, status.EXIT_UNHEALTHY, status.EXIT_UNREACHABLE}
    simulated = {simulator.EXIT_OK, simulator.EXIT_IO, simulator.EXIT_CONFIG}

    assert told == {
        "tracker": codes,
        "tracker-report": codes - {errors.EXIT_INTERNAL},
        "tracker-status": asked | {errors.EXIT_IO, errors.EXIT_CONFIG, errors.EXIT_INTERRUPTED},
        "tracker-export": codes | {commands.EXIT_FAULTS},
        "tracker-simulator": simulated | {errors.EXIT_INTERRUPTED},
    }
    assert len(rows) == sum(map(len, told.values()))


def test_every_reason_for_which_a_connection_ends_is_explained() -> None:
    table = EVENTS.partition("\n## Why a connection ends\n")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`([\w<>]+)`", row)}

    assert reasons() - told == set()


def test_the_metrics_know_every_reason_that_is_explained() -> None:
    """But for statuses and codes, of which only the usual ones have a name of their own."""
    table = EVENTS.partition("\n## Why a connection ends\n")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    numbered = {name for name in END_REASONS if re.fullmatch(r"(http|closed)_\d+", name)}

    assert set(END_REASONS) - numbered - {"other"} == told
    assert len(END_REASONS) == len(set(END_REASONS)) < 50


def reasons() -> set[str]:
    """Return every reason that is a literal where a connection is ended."""
    found: set[str] = set()
    for path in (ROOT / "actors").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or "simulator" in path.relative_to(ROOT).parts:
                continue
            called = ast.unparse(node.func).rpartition(".")[2]
            given = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "reason")]
            if called in ("FeedLost", "Retire"):
                found |= {str(one.value) for one in given if isinstance(one, ast.Constant)}
    assert len(found) > 5
    return found
