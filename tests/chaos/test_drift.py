from actors.health.rules import RULES
from actors.model.assumptions import Assumption
from actors.simulator.beliefs import BREAKS
from tests.chaos.drift import EXPECTED, Result


def test_what_is_expected_names_breaks_and_reasons_that_exist() -> None:
    codes = {rule.code for rule in RULES}
    assert EXPECTED.keys() == BREAKS.keys()
    for name, expected in EXPECTED.items():
        assert expected.reasons <= codes, name
        assert expected.permitted <= codes, name
        assert not expected.reasons & expected.permitted, name
        assert not expected.counted or expected.counted in set(Assumption), name
        assert expected.counted or not expected.reasons, name


def test_a_result_is_one_line_that_says_what_went_wrong() -> None:
    good = Result("numbers", could=1000, had=999, seen={"protocol_drift": 3.2})
    assert " PASS could 1000 · had 999 (99.90%)" in good.line()
    assert "shown: protocol_drift 3 s" in good.line()
    bad = Result("numbers", wrong=["not shown: protocol_drift"])
    assert " FAIL " in bad.line()
    assert bad.line().endswith("| not shown: protocol_drift")
