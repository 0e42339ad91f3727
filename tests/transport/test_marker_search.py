import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.transport.skimmer import MarkerSearch

MARKERS = (b"last_trade_price", b"new_market", b'"bids"')
pieces = st.sampled_from(
    [*MARKERS, b"l", b"l" * 20, b"last_trade_pric", b"w", b"new", b'"bids', b" " * 7, b"b", b"\x81"]
)


def expected(buffer: bytes, markers: tuple[bytes, ...], at: int, end: int) -> int:
    found = (buffer.find(marker, at, end) for marker in markers)
    return min((where for where in found if where >= 0), default=end)


@given(
    st.lists(pieces, max_size=60).map(b"".join),
    st.lists(st.sampled_from(MARKERS), unique=True, max_size=3).map(tuple),
    st.lists(st.integers(0, 400), max_size=6).map(sorted),
    st.integers(0, 5),
)
def test_the_next_marker_is_found_from_any_place(
    buffer: bytes, markers: tuple[bytes, ...], places: list[int], behind: int
) -> None:
    end = max(len(buffer) - behind, 0)
    search = MarkerSearch(markers)
    for at in [0, *(place for place in places if place <= end)]:
        assert search.seek(bytearray(buffer), at, end) == expected(buffer, markers, at, end)
        assert search.next == expected(buffer, markers, at, end)


def test_a_new_buffer_is_searched_again_and_for_other_markers() -> None:
    search = MarkerSearch((b"last",))
    assert search.seek(bytearray(b"..last"), 0, 6) == 2
    search.begin((b"new",))
    assert search.next == -1
    assert search.seek(bytearray(b"last.new"), 0, 8) == 5


class Counting(bytearray):
    """Counts how often the marker itself is searched."""

    wholes = 0

    def find(self, sub: int | bytes, *bounds: int) -> int:  # type: ignore[override]
        self.wholes += not isinstance(sub, int)
        return super().find(sub, *bounds)


@pytest.mark.parametrize(("bytes_found", "wholes"), [(0, 0), (5, 0), (15, 0), (16, 1), (400, 1)])
def test_bytes_without_their_marker_are_skipped_unless_there_are_many(
    bytes_found: int, wholes: int
) -> None:
    buffer = Counting(b"l..." * bytes_found + b"last_trade_price")
    assert MarkerSearch((b"last_trade_price",)).seek(buffer, 0, len(buffer)) == 4 * bytes_found
    assert buffer.wholes == wholes
