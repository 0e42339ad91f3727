"""Every module says in its first line what it is."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "actors").rglob("*.py")), ids=str)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert path.name == "__init__.py" or path.read_text().startswith('"""')
