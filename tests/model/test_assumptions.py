from actors.model.assumptions import Assumption, ViolationCounter


def test_each_assumption_is_counted_on_its_own() -> None:
    counter = ViolationCounter()
    assert counter.totals() == ()
    counter.add(Assumption.SPELLING, 3)
    counter.add(Assumption.KEYSET)
    counter.add(Assumption.SPELLING)
    counter.add(Assumption.CLOCK, 0)
    assert counter.totals() == ((Assumption.KEYSET, 1), (Assumption.SPELLING, 4))
