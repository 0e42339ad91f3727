"""The methods that torture breaks still exist."""

import importlib
import re
from pathlib import Path

import pytest

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
