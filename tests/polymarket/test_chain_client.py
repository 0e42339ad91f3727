"""Promise: the first node that answers everything is believed; no error names a secret path."""

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import pytest

from actors.errors import SourceUnavailable
from actors.model.trade import ConditionId
from actors.polymarket.chain import ChainFacts
from actors.polymarket.client import Chain
from tests.polymarket.http_peer import Peer, Script, answering

IDS = tuple(ConditionId(f"0x{number:064x}") for number in range(1, 22))
ONE = f"0x{1:064x}"


def node(reply: Callable[[Any], list[object]]) -> Script:
    """Return a script that answers a batch with what the test makes of it."""

    def script(request: str, _ended: object) -> Iterable[bytes]:
        body = json.dumps(reply(json.loads(request.split("\r\n\r\n", 1)[1]))).encode()
        yield f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    return script


GOOD = node(lambda batch: [{"id": call["id"], "result": ONE} for call in batch])
OPEN = node(lambda batch: [{"id": call["id"], "result": ONE} for call in batch[1:]])
WRONG = node(lambda batch: [{"id": call["id"], "error": {"code": -32000}} for call in batch])


def payouts(*scripts: Script, ids: tuple[ConditionId, ...] = IDS[:2]) -> tuple[object, list[int]]:
    """Ask nodes with these scripts; give the answer and how often each was asked."""
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(script)) for script in scripts]
        urls = [f"{peer.url}/v2/secret" for peer in peers]
        found = Chain(urls, user_agent="tracker/1", deadline_s=5).payouts(ids)
        return found, [len(peer.requests) for peer in peers]


def test_the_facts_of_each_condition_come_from_the_first_node() -> None:
    found, asked = payouts(GOOD, GOOD)
    facts = ChainFacts(slots=ONE, denominator=ONE, numerators=(ONE, ONE))
    assert found == (facts, facts)
    assert asked == [1, 0]


@pytest.mark.parametrize(
    "bad",
    [
        answering(b"<html>"),
        answering(b'{"error":{"code":-32600,"message":"no batches"}}'),
        answering(b"{}", "401 Unauthorized"),
        answering(b"{}", "429 Too Many Requests"),
        OPEN,
        WRONG,
    ],
)
def test_a_node_that_does_not_answer_everything_is_passed_over(bad: Script) -> None:
    found, asked = payouts(bad, GOOD)
    assert isinstance(found, tuple)
    assert len(found) == 2
    assert asked == [1, 1]


def test_when_no_node_answers_the_error_names_all_hosts_and_no_path() -> None:
    busy = answering(b"{}", "429 Too Many Requests", "Retry-After: 9")
    with pytest.raises(SourceUnavailable) as caught:
        payouts(OPEN, busy)
    assert "left calls unanswered" in str(caught.value)
    assert "HTTP 429" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.retry_after_s == 9
    assert caught.value.__cause__ is None


def test_without_nodes_the_chain_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="no node is configured"):
        payouts()


def test_no_ids_make_no_request_and_too_many_are_a_callers_mistake() -> None:
    assert payouts(GOOD, ids=()) == ((), [0])
    with pytest.raises(ValueError, match="21 ids"):
        payouts(GOOD, ids=IDS)
