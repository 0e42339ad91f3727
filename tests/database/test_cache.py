"""What is known of tokens is not asked of the database again."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from actors.database import queries
from actors.database.cache import TokenKeys
from actors.database.session import Connection

CONDITION = "0x" + "ab" * 32


class Database:
    """Numbers tokens as the real one does; keeps what it was asked."""

    def __init__(self) -> None:
        self.conditions: dict[str, str | None] = {}
        self.asked: list[list[str]] = []

    def execute(self, query: bytes, given: Mapping[str, Any]) -> Iterator[tuple[str, int, bool]]:
        if query == queries.INSERT_ASSETS:
            for token, condition in zip(given["tokens"], given["conditions"], strict=True):
                self.conditions[token] = self.conditions.get(token) or condition
            return iter(())
        self.asked.append(given["tokens"])
        keys = {token: key for key, token in enumerate(self.conditions, 1)}
        return iter(
            (t[:1] + t[1:], keys[t], self.conditions[t] is not None) for t in given["tokens"]
        )


class Asker:
    """Keys for one database."""

    def __init__(self) -> None:
        self.database = Database()
        self.keys = TokenKeys()

    def ask(self, *tokens: str, told: bool = False) -> Mapping[str, int]:
        conditions = dict.fromkeys(tokens, CONDITION) if told else {}
        return self.keys.get(cast("Connection", self.database), tokens, conditions)


@pytest.fixture
def asker() -> Asker:
    return Asker()


def test_a_token_is_asked_for_once_its_number_is_committed_no_more(asker: Asker) -> None:
    assert asker.ask("7") == {"7": 1}
    asker.keys.commit()
    assert asker.ask("7", "8") == {"7": 1, "8": 2}
    assert asker.database.asked == [["7"], ["8"]]


def test_what_was_rolled_back_is_asked_for_again(asker: Asker) -> None:
    asker.ask("7")
    asker.keys.rollback()
    asker.ask("7")
    assert asker.database.asked == [["7"], ["7"]]


def test_a_trade_that_tells_the_condition_first_is_told_to_the_database(asker: Asker) -> None:
    asker.ask("7")
    asker.keys.commit()
    asker.ask("7", told=True)
    asker.keys.commit()
    asker.ask("7", told=True)
    assert asker.database.asked == [["7"], ["7"]]
    assert asker.database.conditions == {"7": CONDITION}


@pytest.mark.parametrize("committed", [True, False])
def test_a_token_that_the_catalogue_named_is_not_asked_for_at_its_first_print(
    asker: Asker, *, committed: bool
) -> None:
    asker.ask("7")
    asker.keys.commit()
    asker.keys.conditions_stored(["7", "9"])
    (asker.keys.commit if committed else asker.keys.rollback)()
    assert asker.ask("7", told=True) == {"7": 1}
    assert len(asker.database.asked) == (1 if committed else 2)


@pytest.mark.parametrize("committed", [True, False])
def test_what_is_wanted_no_more_is_forgotten_once_that_is_committed(
    asker: Asker, *, committed: bool
) -> None:
    asker.ask("7", "8")
    asker.keys.commit()
    asker.keys.discard(["7", "9"])
    (asker.keys.commit if committed else asker.keys.rollback)()
    asker.database.asked.clear()
    assert asker.ask("7", "8") == {"7": 1, "8": 2}
    assert asker.database.asked == ([["7"]] if committed else [])


def test_our_own_string_of_a_token_is_kept(asker: Asker) -> None:
    ours = str(7123)
    asker.ask(ours)
    asker.keys.commit()
    assert next(iter(asker.keys._known)) is ours


def test_the_older_half_is_forgotten_when_there_are_too_many() -> None:
    asker = Asker()
    asker.keys = TokenKeys(most=4)
    for token in ("1", "2", "3", "4", "5"):
        asker.ask(token)
        asker.keys.commit()
    asker.database.asked.clear()
    assert asker.ask("1", "3", "5") == {"1": 1, "3": 3, "5": 5}
    assert asker.database.asked == [["1"]]
