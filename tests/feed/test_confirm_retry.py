from actors.feed.coverage import ConfirmRetry, CoverageBook
from actors.model.trade import TokenId

A, B = TokenId("1"), TokenId("2")


def life(
    *, seconds: int, confirmed_at: dict[TokenId, int] | None = None
) -> tuple[dict[TokenId, list[int]], ConfirmRetry]:
    """Ask once a second; give when each token was asked for again."""
    listening, retry = CoverageBook(7), ConfirmRetry()
    listening.requested([A, B], 0.0)
    asked: dict[TokenId, list[int]] = {A: [], B: []}
    for now in range(1, seconds + 1):
        for token, at in (confirmed_at or {}).items():
            if at == now:
                listening.book(token, 1)
        again = retry.due(float(now), listening)
        listening.requested(again, float(now))
        for token in again:
            asked[token].append(now)
    return asked, retry


def test_a_token_without_a_book_is_asked_for_again_twice_and_then_given_up() -> None:
    asked, retry = life(seconds=100)
    assert asked[A] == [31, 62]
    assert retry.unheard == (A, B)
    assert life(seconds=92)[1].unheard == ()


def test_a_token_that_was_given_up_is_asked_for_now_and_then() -> None:
    asked, retry = life(seconds=700)
    assert asked[A] == [31, 62, 363, 664]
    assert retry.unheard == (A, B)


def test_a_book_ends_the_matter() -> None:
    asked, retry = life(seconds=200, confirmed_at={A: 40, B: 150})
    assert asked == {A: [31], B: [31, 62]}
    assert retry.unheard == ()
