"""The methods that torture breaks and the code that mutations remove still exist."""

import importlib
import re
from pathlib import Path

import pytest

from tests.chaos.mutate import MUTATIONS, ROOT, Mutation

TARGET = re.compile(r'"(actors\.[a-z_.]+):([A-Za-z]+)\.([a-z_]+)"')
TARGETS = sorted(
    {
        found
        for place in Path(__file__).parents[1].rglob("*.py")
        for found in TARGET.findall(place.read_text())
    }
)


@pytest.mark.parametrize(("module", "kind", "method"), TARGETS)
def test_a_method_that_torture_breaks_exists(module: str, kind: str, method: str) -> None:
    assert callable(getattr(getattr(importlib.import_module(module), kind), method))


def test_torture_breaks_something() -> None:
    assert len(TARGETS) > 10


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_a_mechanism_that_is_removed_stands_in_the_source_once(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1
