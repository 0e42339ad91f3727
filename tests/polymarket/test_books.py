"""When order books changed last, over HTTP: against a server that a test scripts."""

import pytest

from actors.errors import SourceUnavailable
from actors.model.trade import TokenId
from actors.polymarket.client import BookTimes

A, B = TokenId("1"), TokenId("2")
ANSWER = b'[{"asset_id":"1","timestamp":"1790000000000"},{"asset_id":"9","timestamp":"5"}]'


class Scripted:
    """Answers in the place of the HTTP client; an exception is raised."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    def post(self, _: str, body: bytes) -> bytes:
        self.bodies.append(body)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def asking(
    monkeypatch: pytest.MonkeyPatch, *answers: bytes | Exception
) -> tuple[BookTimes, Scripted, list[float]]:
    now = [100.0]
    books = BookTimes("http://clob", user_agent="test", monotonic=lambda: now[0])
    scripted = Scripted(*answers)
    monkeypatch.setattr(books, "_http", scripted)
    return books, scripted, now


def test_only_tokens_that_were_asked_for_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    books, scripted, _ = asking(monkeypatch, ANSWER)
    assert books.last_changes((A, B)) == {A: 1_790_000_000_000}
    assert scripted.bodies == [b'[{"token_id":"1"},{"token_id":"2"}]']


def test_many_tokens_are_asked_for_in_calls_of_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    books, scripted, _ = asking(monkeypatch, *[b"[]"] * 3)
    books.last_changes([TokenId(str(number)) for number in range(250)])
    assert len(scripted.bodies) == 3


@pytest.mark.parametrize("failure", [SourceUnavailable("503"), b"<html>", b'[{"asset_id":1}]'])
def test_after_a_failure_nothing_is_asked_for_a_while_that_grows(
    monkeypatch: pytest.MonkeyPatch, failure: bytes | Exception
) -> None:
    books, scripted, now = asking(monkeypatch, failure, failure, ANSWER)
    asked_at = []
    for _ in range(60):
        before = len(scripted.bodies)
        found = books.last_changes((A,))
        if len(scripted.bodies) > before:
            asked_at.append(now[0])
        if found:
            break
        now[0] += 1
    assert asked_at == [100.0, 110.0, 130.0]


def test_while_one_asks_the_others_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    books, scripted, _ = asking(monkeypatch, ANSWER)
    with books._turn:
        assert books.last_changes((A,)) is None
    assert scripted.bodies == []
    assert books.last_changes((A,))
