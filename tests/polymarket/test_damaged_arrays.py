import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.polymarket.events import depth, elements

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def nesting(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(nesting, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    return 0


@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_an_array_is_cut_into_its_elements(
    values: list[object], indent: int | None, ascii_only: bool
) -> None:
    raw = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    assert [json.loads(element) for element in elements(raw)] == values


@given(VALUES)
def test_depth_is_how_deeply_brackets_nest(value: object) -> None:
    assert depth(json.dumps(value).encode()) == nesting(value)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"[]", []),
        (b"[ , ,]", []),
        (b"[1, [2,3] ,{}]", [b"1", b"[2,3]", b"{}"]),
        (b"[1,2", [b"1", b"2"]),
        (b'[1,"2,3', [b"1", b'"2,3']),
        (b'[1,"2\\', [b"1", b'"2\\']),
        (b"[1] 2", [b"1", b"2"]),
        (b'["],[",1]', [b'"],["', b"1"]),
        (b"[{1,2},3]", [b"{1,2}", b"3"]),
    ],
)
def test_damage_stays_where_it_is(raw: bytes, expected: list[bytes]) -> None:
    assert list(elements(raw)) == expected


def test_a_hostile_array_takes_linear_time() -> None:
    quotes = b'["' + b'\\"' * 500_000
    assert list(elements(quotes)) == [quotes[1:]]
    assert depth(b"[" * 500_000) == 500_000
