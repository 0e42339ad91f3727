"""What the head of an actor's module says that it receives is what its table of handlers has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import messages
from actors.audit import asking as asking_a_witness
from actors.resolution import asking

ACTORS = Path(__file__).parents[2] / "actors"
MODULES = sorted(path for path in ACTORS.glob("*/actor.py"))
MESSAGES = {
    name
    # `asking` has the one that holds a request and its answer.
    for module in (messages, asking, asking_a_witness)
    for name, each in vars(module).items()
    if isinstance(each, type) and issubclass(each, messages.Message)
}


def told(docstring: str) -> set[str]:
    """Return the messages that a head docstring names between `Receives:` and `Sends:`."""
    found = re.search(r"\bReceives:(.*?)\bSends:", docstring, re.DOTALL)
    assert found
    return set(re.findall(r"\b[A-Z]\w+", found[1])) & MESSAGES


def handled(source: ast.AST) -> Iterator[set[str]]:
    """Yield the keys of each table of a module whose keys are messages."""
    for node in ast.walk(source):
        if isinstance(node, ast.Dict):
            keys = {key.id for key in node.keys if isinstance(key, ast.Name)}
            if keys and keys <= MESSAGES:
                yield keys


def test_every_actor_is_looked_at() -> None:
    assert [path.parent.name for path in MODULES] == [
        "audit",
        "catalog",
        "feed",
        "resolution",
        "supervision",
        "writer",
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_the_head_of_an_actor_names_every_message_that_it_receives(path: Path) -> None:
    source = ast.parse(path.read_text())
    (table,) = handled(source)
    assert told(ast.get_docstring(source) or "") == table
