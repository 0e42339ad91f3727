"""Numbers of tokens that are known are not queried again."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
import pytest

from actors.database import queries
from actors.database.cache import TokenKeys
from actors.database.session import Connection

CONDITION = "0x" + "ab" * 32


class Database:
    """Gives numbers to tokens as the real one does; records the queries."""

    def __init__(self) -> None:
        self.conditions: dict[str, str | None] = {}
        self.queried: list[list[str]] = []

    def execute(self, query: bytes, given: Mapping[str, Any]) -> Iterator[tuple[str, int, bool]]:
        if query in (queries.INSERT_ASSETS, queries.COMPLETE_ASSETS):
            for each in msgspec.json.decode(given["tokens"]):
                token, condition = each["token_id"], each["condition_id"]
                known = self.conditions.setdefault(token, condition)
                if query == queries.COMPLETE_ASSETS:
                    self.conditions[token] = known or condition
        if query != queries.SELECT_ASSETS:
            return iter(())
        self.queried.append(given["tokens"])
        keys = {token: key for key, token in enumerate(self.conditions, 1)}
        return iter(
            (t[:1] + t[1:], keys[t], self.conditions[t] is not None) for t in given["tokens"]
        )


class Client:
    """A cache and the database that it asks."""

    def __init__(self) -> None:
        self.database = Database()
        self.keys = TokenKeys()

    def get(self, *tokens: str, with_condition: bool = False) -> Mapping[str, int]:
        conditions = dict.fromkeys(tokens, CONDITION) if with_condition else {}
        return self.keys.get(cast("Connection", self.database), tokens, conditions)


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_token_is_not_queried_again_once_its_number_is_committed(client: Client) -> None:
    assert client.get("7") == {"7": 1}
    client.keys.commit()
    assert client.get("7", "8") == {"7": 1, "8": 2}
    assert client.database.queried == [["7"], ["8"]]


def test_a_token_of_a_rolled_back_transaction_is_queried_again(client: Client) -> None:
    client.get("7")
    client.keys.rollback()
    client.get("7")
    assert client.database.queried == [["7"], ["7"]]


def test_a_condition_that_a_trade_names_first_is_stored(client: Client) -> None:
    client.get("7")
    client.keys.commit()
    client.get("7", with_condition=True)
    client.keys.commit()
    client.get("7", with_condition=True)
    assert client.database.queried == [["7"], ["7"]]
    assert client.database.conditions == {"7": CONDITION}


@pytest.mark.parametrize("committed", [True, False])
def test_a_token_that_the_catalog_named_is_not_queried_at_its_first_trade(
    client: Client, *, committed: bool
) -> None:
    client.get("7")
    client.keys.commit()
    client.keys.conditions_stored(["7", "9"])
    (client.keys.commit if committed else client.keys.rollback)()
    assert client.get("7", with_condition=True) == {"7": 1}
    assert len(client.database.queried) == (1 if committed else 2)


@pytest.mark.parametrize("committed", [True, False])
def test_a_discarded_token_is_forgotten_at_the_commit(client: Client, *, committed: bool) -> None:
    client.get("7", "8")
    client.keys.commit()
    client.keys.discard(["7", "9"])
    (client.keys.commit if committed else client.keys.rollback)()
    client.database.queried.clear()
    assert client.get("7", "8") == {"7": 1, "8": 2}
    assert client.database.queried == ([["7"]] if committed else [])


def test_the_callers_string_of_a_token_is_kept(client: Client) -> None:
    ours = str(7123)
    client.get(ours)
    client.keys.commit()
    assert next(iter(client.keys._known)) is ours


def test_the_older_half_is_forgotten_above_the_limit() -> None:
    client = Client()
    client.keys = TokenKeys(most=4)
    for token in ("1", "2", "3", "4", "5"):
        client.get(token)
        client.keys.commit()
    client.database.queried.clear()
    assert client.get("1", "3", "5") == {"1": 1, "3": 3, "5": 5}
    assert client.database.queried == [["1"]]
