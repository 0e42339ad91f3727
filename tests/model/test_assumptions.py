from pathlib import Path

import actors
from actors.model.assumptions import Assumption, ViolationCounter


def test_each_assumption_is_counted_on_its_own() -> None:
    counter = ViolationCounter()
    assert counter.totals() == ()
    counter.add(Assumption.SPELLING, 3)
    counter.add(Assumption.KEYSET)
    counter.add(Assumption.SPELLING)
    counter.add(Assumption.CLOCK, 0)
    assert counter.totals() == ((Assumption.KEYSET, 1), (Assumption.SPELLING, 4))


def test_each_assumption_is_counted_somewhere() -> None:
    # By what runs all the time: the look (`app`) and the rules only speak of them.
    folder = Path(actors.__file__).parent
    texts = [
        path.read_text()
        for package in ("feed", "catalog", "resolution", "writer", "supervision")
        for path in (folder / package).glob("*.py")
    ]
    for assumption in Assumption:
        assert any(f"Assumption.{assumption.name}" in text for text in texts), assumption
