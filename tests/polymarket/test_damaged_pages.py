"""Promise: damaged JSON is cut into its members; what is no whole object or array is rejected."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PayloadRejected
from actors.polymarket.strict_json import parts
from tests.polymarket.test_damaged_arrays import VALUES


@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 1]))
def test_an_array_is_cut_into_its_elements(values: list[object], indent: int | None) -> None:
    raw = json.dumps(values, indent=indent).encode()
    assert [json.loads(value) for _, value in parts(raw)] == values


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.sampled_from([None, 1]))
def test_an_object_is_cut_into_its_members(values: dict[str, object], indent: int | None) -> None:
    raw = json.dumps(values, indent=indent).encode()
    assert {json.loads(key): json.loads(value) for key, value in parts(raw)} == values


@pytest.mark.parametrize(
    "value", [b'"\\ud83d"', b'"a\tb"', b"NaN", b'"\xff"', b'"],{"', b"[" * 5_000 + b"]" * 5_000]
)
def test_what_is_wrong_in_a_value_stays_within_it(value: bytes) -> None:
    assert parts(b'{"a": 1, "b" : ' + value + b' , "c":2}\n') == (
        (b'"a"', b"1"),
        (b'"b"', value),
        (b'"c"', b"2"),
    )
    assert parts(b"[1, " + value + b"]") == ((b"", b"1"), (b"", value))


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"x{}", b"[1,2", b'["a', b"[1}", b"{]", b"[1] 2", b"]", b'"a"', b"1"]
)
def test_what_has_no_whole_structure_is_rejected(raw: bytes) -> None:
    with pytest.raises(PayloadRejected, match="not JSON"):
        parts(raw)


def test_a_hostile_text_takes_linear_time() -> None:
    with pytest.raises(PayloadRejected):
        parts(b'["' + b'\\"' * 500_000)
    with pytest.raises(PayloadRejected):
        parts(b"[" * 500_000)
