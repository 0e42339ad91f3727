"""Promise: what one node does not know another is asked for; nodes that lag are no witnesses."""

import itertools
import json
from typing import Any

import msgspec
import pytest

from actors.errors import SourceUnavailable
from actors.polymarket.contract.nodes import Chain, Pace, node_pace
from actors.polymarket.contract.receipts import State
from actors.polymarket.sources import CHAIN_REQUESTS, MAX_RECEIPTS, WINDOW_S
from tests.polymarket.logs_of_exchanges import V2, bought, receipt

NAMES = tuple(f"0x{number:064x}" for number in range(1, 6))
AT_S = 0x6A000000


def settled(name: str) -> dict[str, Any]:
    found = receipt(*bought(V2, 3_000_000))
    logs = [{**each, "transactionHash": name} for each in found["logs"]]
    return {**found, "transactionHash": name, "logs": logs}


class Node:
    """A node that knows some receipts, and blocks or none."""

    def __init__(self, *known: str, blocks: bool = True, most: int = 80) -> None:
        self.known: dict[str, Any] = {name: settled(name) for name in known}
        self.blocks, self.most = blocks, most
        self.failure: Exception | None = None
        self.asked: list[str] = []

    def answer(self, body: bytes) -> bytes:
        found = msgspec.json.decode(body)
        calls = found if isinstance(found, list) else [found]
        if self.failure is not None:
            raise self.failure
        if len(calls) > self.most:
            return json.dumps({"id": None, "error": {"code": 31, "message": "too many"}}).encode()
        replies = [{"id": call["id"], **self._reply(call)} for call in calls]
        return json.dumps(replies if isinstance(found, list) else replies[0]).encode()

    def _reply(self, call: dict[str, Any]) -> dict[str, Any]:
        name = call["params"][0]
        self.asked.append(name)
        if call["method"] == "eth_getBlockByNumber":
            block = {"number": name, "timestamp": hex(AT_S)} if self.blocks else None
            return {"result": block}
        return {"result": self.known.get(name)}


class Nodes:
    def __init__(self, *nodes: Node, pace: Pace | None = None) -> None:
        self.nodes = {f"https://node{at}.example/key": node for at, node in enumerate(nodes)}
        self.now = 1_000.0
        self.sent_at: list[float] = []
        self.chain = Chain(
            tuple(self.nodes), self, pace=pace, monotonic=lambda: self.now, wait=self.wait
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def post(self, url: str, body: bytes) -> bytes:
        self.sent_at.append(self.now)
        return self.nodes[url].answer(body)

    def close(self) -> None:
        raise AssertionError("closed")

    def states(self, names: tuple[str, ...] = NAMES) -> list[str]:
        return [each.why or each.state.value for each in self.chain.settlements(names)]


def test_receipts_and_the_times_of_their_blocks_are_read_in_batches() -> None:
    nodes = Nodes(Node(*NAMES))
    found = nodes.chain.settlements(NAMES)

    assert [each.transaction for each in found] == list(NAMES)
    assert {(each.state, each.at_ms) for each in found} == {(State.SETTLED, AT_S * 1_000)}
    assert len(nodes.sent_at) == 2


def test_free_nodes_get_small_batches() -> None:
    nodes = Nodes(Node(*NAMES, most=3))

    assert nodes.states() == ["settled"] * 5


def test_what_a_node_does_not_know_the_next_one_is_asked_for() -> None:
    lagging, other = Node(*NAMES[:2]), Node(*NAMES[1:4])
    nodes = Nodes(lagging, other)

    assert nodes.states() == ["settled"] * 4 + ["no receipt"]
    assert set(other.asked) == {*NAMES[2:], "0x10"}
    assert nodes.states(()) == []


def test_a_node_that_knows_nothing_has_not_failed() -> None:
    nodes = Nodes(Node())

    assert nodes.states(NAMES[:2]) == ["no receipt"] * 2


def test_a_node_that_leaves_out_logs_is_corrected_by_the_next_one() -> None:
    liar = Node(*NAMES)
    for each in liar.known.values():
        each["logs"] = []

    assert Nodes(liar, Node(*NAMES[:1])).states() == ["settled"] + ["no trade in the logs"] * 4


def test_a_block_that_one_node_has_lost_is_asked_of_the_next() -> None:
    nodes = Nodes(Node(*NAMES, blocks=False), Node(NAMES[0]))
    found = nodes.chain.settlements(NAMES[:2])

    assert [each.at_ms for each in found] == [AT_S * 1_000, None]
    assert {each.state for each in found} == {State.SETTLED}


def test_failures_of_some_nodes_cost_nothing_and_of_all_are_one() -> None:
    dead, alive = Node(), Node(*NAMES)
    dead.failure = SourceUnavailable("HTTP 502", retry_after_s=7.0)
    nodes = Nodes(dead, alive)
    assert nodes.states() == ["settled"] * 5
    nodes.now += 1.0
    assert nodes.states(NAMES[:1]) == ["settled"], "the dead one is asked last"
    alive.failure = dead.failure

    with pytest.raises(SourceUnavailable, match="HTTP 502") as raised:
        nodes.chain.settlements(NAMES)
    assert raised.value.retry_after_s == 7.0


def test_a_node_that_fails_half_way_leaves_what_it_answered() -> None:
    class Failing(Node):
        def _reply(self, call: dict[str, Any]) -> dict[str, Any]:
            if call["method"] == "eth_getBlockByNumber":
                raise SourceUnavailable("HTTP 503")
            return super()._reply(call)

    assert [e.at_ms for e in Nodes(Failing(*NAMES)).chain.settlements(NAMES[:1])] == [None]


def test_so_many_transactions_at_once_and_no_more() -> None:
    names = tuple(f"0x{number:064x}" for number in range(MAX_RECEIPTS + 1))

    with pytest.raises(ValueError, match="at most 10"):
        Nodes(Node()).chain.settlements(names)


def test_two_clients_share_one_pace() -> None:
    pace = node_pace(public=True)
    first, second = Nodes(Node(*NAMES), pace=pace), Nodes(Node(*NAMES), pace=pace)
    first.states(NAMES[:1])
    second.now = first.now
    second.states(NAMES[:1])
    sent = sorted([*first.sent_at, *second.sent_at])

    assert all(after - before >= 1.0 for before, after in itertools.pairwise(sent))


def test_the_pace_keeps_to_its_window_and_to_its_share() -> None:
    pace = Pace(2, 10.0)
    assert [pace.take(0.0) for _ in range(4)] == [0.0, 0.0, 10.0, 10.0]
    pace.give_back(10.0)
    pace.answered(10.0, 12.0)
    assert pace.take(13.0) == 13.0
    pace.share(2)
    assert pace.take(13.0) == 32.0
    assert node_pace(public=False).take(1.0) == 1.0
    assert (CHAIN_REQUESTS, WINDOW_S) == (20, 10.0)
