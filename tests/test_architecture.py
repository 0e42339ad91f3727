"""docs/architecture.md names every room of the house, and none that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
ROOMS = sorted(
    path.relative_to(ROOT / "actors").with_suffix("")
    for folder in ("", "logic", "edge")
    for path in (ROOT / "actors" / folder).glob("*.py")
    if path.stem != "__init__"
)


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_every_room_is_on_the_map(room: Path) -> None:
    names = {room.name, f"{room}", f"{room}.py", f"actors/{room}.py"}
    assert names & set(re.findall(r"`([\w./]+?)(?:\.[A-Z]\w+)?`", TEXT))


def test_every_file_that_the_map_names_is_there() -> None:
    named = set(
        re.findall(r"`((?:actors/)?(?:logic|edge|simulator|sql)/[\w/]+\.(?:py|sql))`", TEXT)
    )
    assert named
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "actors" / name).exists(), name


@pytest.mark.parametrize("path", sorted((ROOT / "actors").rglob("*.py")), ids=str)
def test_every_room_says_what_it_is(path: Path) -> None:
    assert path.read_text().startswith('"""')
