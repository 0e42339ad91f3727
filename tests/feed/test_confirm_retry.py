from actors.feed.coverage import CoverageBook
from actors.feed.subscription import ConfirmRetry
from actors.model.trade import TokenId

A, B = TokenId("1"), TokenId("2")


def run(
    *, seconds: int, confirmed_at: dict[TokenId, int] | None = None
) -> tuple[dict[TokenId, list[int]], ConfirmRetry]:
    """Check once a second; return when each token was subscribed again."""
    coverage, retry = CoverageBook(7), ConfirmRetry()
    coverage.add_requested([A, B], 0.0)
    again_at: dict[TokenId, list[int]] = {A: [], B: []}
    for now in range(1, seconds + 1):
        for token, at in (confirmed_at or {}).items():
            if at == now:
                coverage.add_book(token, 1)
        again = retry.due(float(now), coverage)
        coverage.add_requested(again, float(now))
        for token in again:
            again_at[token].append(now)
    return again_at, retry


def test_a_token_without_a_book_is_subscribed_again_twice_and_then_counts_as_unanswered() -> None:
    again_at, retry = run(seconds=100)
    assert again_at[A] == [31, 62]
    assert retry.unanswered == (A, B)
    assert run(seconds=92)[1].unanswered == ()


def test_an_unanswered_token_is_subscribed_again_now_and_then() -> None:
    again_at, retry = run(seconds=700)
    assert again_at[A] == [31, 62, 363, 664]
    assert retry.unanswered == (A, B)


def test_a_book_ends_the_retries() -> None:
    again_at, retry = run(seconds=200, confirmed_at={A: 40, B: 150})
    assert again_at == {A: [31], B: [31, 62]}
    assert retry.unanswered == ()
