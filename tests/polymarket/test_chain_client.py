"""Promise: batches are as large as a node takes; one call's error costs no other market anything;
all about one condition comes from one node; public nodes are asked once a second; no error names a
secret path."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from actors.errors import SourceUnavailable
from actors.model.trade import ConditionId
from actors.polymarket.contract import chain
from actors.polymarket.contract.chain import FAILED, ChainFacts
from actors.polymarket.contract.nodes import (
    LARGER_AFTER_S,
    LARGER_AT_LAST_S,
    LONGEST_S,
    PUBLIC_CALLS,
    REST_S,
    BatchSize,
    Chain,
)
from actors.polymarket.contract.rpc import REVERTED
from actors.polymarket.sources import CHAIN_REQUESTS

IDS = tuple(ConditionId(f"0x{number:064x}") for number in range(1, 22))
V2 = ConditionId("0x01" + "ab" * 16 + "00" * 15)
WON = "0x" + "".join(f"{number:064x}" for number in (32, 2, 1_000_000, 0))
REVERT = {"code": 3, "message": "execution reverted"}
LIMIT = {"code": -32005, "message": "limit exceeded"}
TOO_LARGE = {"code": 31, "message": "Batch of more than 3 requests are not allowed"}


def word(number: int) -> str:
    return f"0x{number:064x}"


REPORTED = ChainFacts(slots=word(2), denominator=word(1), numerators=(word(1), word(0)))
OPEN = ChainFacts(denominator=word(0))


class FakeNode:
    """A node: every condition has an outcome, but those in `open`; it takes `most` calls.

    Attributes:
        most: Calls of a batch; a larger one is rejected as `reject` does it.
        errors: By condition, what its calls bring instead of an answer.
        failure: What every request brings, if anything.
        sizes: Calls of each request so far.
    """

    def __init__(self, most: int = 80, *, reject: str = "object") -> None:
        self.most = most
        self.reject = reject
        self.open: set[ConditionId] = set()
        self.errors: dict[ConditionId, Any] = {}
        self.failure: Exception | None = None
        self.numerators = (1, 0)
        self.sizes: list[int] = []

    def answer(self, body: bytes) -> bytes:
        asked = msgspec.json.decode(body)
        calls = asked if isinstance(asked, list) else [asked]
        self.sizes.append(len(calls))
        if self.failure is not None:
            raise self.failure
        if len(calls) > self.most:
            return self._rejection(calls)
        replies = [self._reply(call) for call in calls]
        return json.dumps(replies if isinstance(asked, list) else replies[0]).encode()

    def _rejection(self, calls: list[Any]) -> bytes:
        if self.reject == "object":
            return json.dumps({"id": None, "error": TOO_LARGE}).encode()
        if self.reject == "array":
            return json.dumps([{"id": each["id"], "error": TOO_LARGE} for each in calls]).encode()
        raise SourceUnavailable(f"HTTP {self.reject}", status=int(self.reject))

    def _reply(self, call: dict[str, Any]) -> dict[str, Any]:
        data = call["params"][0]["data"]
        condition = ConditionId(f"0x{data[10:74]}")
        if condition in self.errors:
            return {"id": call["id"], "error": self.errors[condition]}
        selector, slot = data[:10], int(data[74:] or "0", 16)
        first, second = (0, 0) if condition in self.open else self.numerators
        values = {
            chain.SLOTS: word(2),
            chain.DENOMINATOR: word(first + second),
            chain.NUMERATORS: word((first, second)[slot]),
            chain.RESULT: WON,
        }
        return {"id": call["id"], "result": values[selector]}


class Nodes:
    """A client of fake nodes, with a clock that goes on only while it waits."""

    def __init__(self, *nodes: FakeNode, public: bool = False, step_s: float = 0.0) -> None:
        urls = (f"https://node{number}.example/v2/secret" for number in range(len(nodes)))
        self.nodes = dict(zip(urls, nodes, strict=True))
        self.now, self.step_s = 1_000.0, step_s
        self.sent_at: list[float] = []
        self.closed = False
        self.chain = Chain(
            tuple(self.nodes), self, public=public, monotonic=lambda: self.now, wait=self.wait
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def post(self, url: str, body: bytes) -> bytes:
        self.sent_at.append(self.now)
        self.now += self.step_s
        return self.nodes[url].answer(body)

    def close(self) -> None:
        self.closed = True

    def payouts(self, *ids: ConditionId) -> tuple[ChainFacts, ...]:
        return self.chain.payouts(ids)


# ------------------------------------------------------------------- two steps


def test_the_numerators_are_asked_only_of_conditions_with_a_denominator() -> None:
    node = FakeNode()
    node.open = set(IDS[:5])
    assert Nodes(node).payouts(*IDS[:6]) == (*[OPEN] * 5, REPORTED)
    assert node.sizes == [6, 3]


def test_nothing_more_is_asked_while_nothing_is_reported() -> None:
    node = FakeNode()
    node.open = set(IDS)
    assert Nodes(node).payouts(*IDS[:20]) == (OPEN,) * 20
    assert node.sizes == [20]


def test_one_call_tells_the_result_of_a_v2_condition() -> None:
    node = FakeNode()
    assert Nodes(node).payouts(IDS[0], V2) == (REPORTED, ChainFacts(result=WON))
    assert node.sizes == [2, 3]


# --------------------------------------------------------------------- batches


@pytest.mark.parametrize("reject", ["object", "array", "400", "413", "500"])
def test_a_node_that_takes_three_calls_gets_three(reject: str) -> None:
    node = FakeNode(3, reject=reject)
    nodes = Nodes(node)
    assert nodes.payouts(*IDS[:20]) == (REPORTED,) * 20
    assert node.sizes[:4] == [20, 10, 5, 3]
    assert set(node.sizes[4:]) == {2, 3}
    node.sizes.clear()
    nodes.payouts(*IDS[:3])
    assert node.sizes == [3, 3, 3, 3]


def test_a_node_that_takes_no_batches_gets_single_calls() -> None:
    node = FakeNode(1)
    assert Nodes(node).payouts(*IDS[:2]) == (REPORTED,) * 2
    assert node.sizes == [2, *[1] * 8]


def test_what_is_needed_of_one_condition_stays_in_one_batch() -> None:
    node = FakeNode(5)
    nodes = Nodes(node)
    nodes.payouts(*IDS[:20])
    node.sizes.clear()
    nodes.payouts(*IDS[:2])
    assert node.sizes == [2, 3, 3]


def test_a_larger_batch_is_tried_again_after_a_while() -> None:
    node = FakeNode(3)
    nodes = Nodes(node)
    nodes.payouts(*IDS[:20])
    nodes.now += LARGER_AFTER_S
    node.most, node.open = 80, set(IDS)
    node.sizes.clear()
    nodes.payouts(*IDS[:20])
    assert node.sizes == [6, 6, 6, 2]


def test_the_sizes_lead_from_eighty_to_three_and_to_one() -> None:
    size, found = BatchSize(80), [80]
    while size.rejected(size.size(0.0), 0.0):
        found.append(size.size(0.0))
    assert found == [80, 40, 20, 10, 5, 3, 1]


def test_errors_that_single_calls_bring_as_well_teach_no_size() -> None:
    node = FakeNode()
    nodes = Nodes(node)
    node.errors = dict.fromkeys(IDS, LIMIT)
    with pytest.raises(SourceUnavailable):
        nodes.payouts(*IDS[:10])
    node.errors, node.open = {}, set(IDS)
    node.sizes.clear()
    nodes.payouts(*IDS[:20])
    assert node.sizes == [20]


def test_a_node_that_has_enough_gets_less_the_next_time() -> None:
    node = FakeNode()
    nodes = Nodes(node)
    node.failure = SourceUnavailable("HTTP 429", status=429, retry_after_s=9)
    with pytest.raises(SourceUnavailable) as caught:
        nodes.payouts(*IDS[:20])
    assert (node.sizes, caught.value.retry_after_s) == ([20], 9)
    assert nodes.chain.at_once == 10


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_node_that_does_not_serve_us_is_not_asked_for_less(status: int) -> None:
    node, other = FakeNode(), FakeNode()
    node.failure = SourceUnavailable("no", status=status)
    assert Nodes(node, other).payouts(*IDS[:20]) == (REPORTED,) * 20
    assert node.sizes == [20]


# --------------------------------------------------------- one call's error


def test_a_call_that_reverts_is_the_observation_of_its_market() -> None:
    node = FakeNode()
    node.errors = {IDS[1]: REVERT}
    found = Nodes(node).payouts(*IDS[:3])
    assert found == (REPORTED, ChainFacts(failure=REVERTED), REPORTED)


@pytest.mark.parametrize("most", [80, 3, 1])
def test_another_error_of_one_call_costs_the_others_nothing(most: int) -> None:
    node = FakeNode(most)
    node.errors = {IDS[1]: LIMIT}
    found = Nodes(node).payouts(*IDS[:4])
    assert found == (REPORTED, ChainFacts(failure=FAILED), REPORTED, REPORTED)


def test_what_one_node_does_not_answer_is_asked_of_the_next() -> None:
    first, second = FakeNode(), FakeNode()
    first.errors = {IDS[1]: LIMIT}
    assert Nodes(first, second).payouts(*IDS[:3]) == (REPORTED,) * 3
    assert second.sizes == [1, 3]


def test_all_about_a_condition_comes_from_one_node() -> None:
    first, second = FakeNode(), FakeNode()
    second.numerators = (0, 1)
    nodes = Nodes(first, second)
    further = first.answer

    def fails_at_the_second(body: bytes) -> bytes:
        if len(first.sizes) == 1:
            first.failure = SourceUnavailable("gone")
        return further(body)

    first.answer = fails_at_the_second  # type: ignore[method-assign]
    (found,) = nodes.payouts(IDS[0])
    assert found.numerators == (word(0), word(1))
    assert second.sizes == [1, 3]


def test_a_node_that_fails_halfway_makes_no_observation_of_what_it_did_not_answer() -> None:
    node = FakeNode(3)
    nodes = Nodes(node)
    nodes.payouts(*IDS[:3])
    answer = node.answer

    def gone_after_two(body: bytes) -> bytes:
        node.failure = SourceUnavailable("gone") if len(node.sizes) > 1 else None
        return answer(body)

    node.sizes.clear()
    node.answer = gone_after_two  # type: ignore[method-assign]
    with pytest.raises(SourceUnavailable, match="gone"):
        nodes.payouts(*IDS[:6])


def test_errors_of_two_calls_in_a_batch_stop_nothing() -> None:
    node = FakeNode(3)
    node.errors = dict.fromkeys(IDS[1:3], LIMIT)
    found = Nodes(node, public=True).payouts(*IDS[:6])
    failed = ChainFacts(failure=FAILED)
    assert found == (REPORTED, failed, failed, *[REPORTED] * 3)


def test_a_lone_call_that_fails_says_nothing_about_its_market() -> None:
    node = FakeNode()
    node.errors = {IDS[0]: LIMIT}
    with pytest.raises(SourceUnavailable, match="errors only"):
        Nodes(node).payouts(IDS[0])


# ----------------------------------------------------------------------- nodes


def fails(failure: Exception) -> Callable[[], FakeNode]:
    def made() -> FakeNode:
        node = FakeNode()
        node.failure = failure
        return node

    return made


def garbled() -> FakeNode:
    class Garbled(FakeNode):
        def answer(self, body: bytes) -> bytes:
            return super().answer(body)[:0] + b"<html>"

    return Garbled()


@pytest.mark.parametrize(
    "bad",
    [
        fails(SourceUnavailable("no answer")),
        fails(SourceUnavailable("HTTP 401", status=401)),
        fails(SourceUnavailable("HTTP 429", status=429)),
        fails(SourceUnavailable("HTTP 503", status=503)),
        garbled,
    ],
)
def test_a_node_that_fails_is_passed_over_and_asked_last_for_a_while(
    bad: Callable[[], FakeNode],
) -> None:
    node, other = bad(), FakeNode()
    nodes = Nodes(node, other)
    assert nodes.payouts(*IDS[:2]) == (REPORTED,) * 2
    asked = len(nodes.sent_at)
    nodes.payouts(*IDS[:2])
    assert len(nodes.sent_at) == asked + 2
    nodes.now += REST_S
    nodes.payouts(*IDS[:2])
    assert len(nodes.sent_at) > asked + 4


def test_when_no_node_answers_the_error_names_all_hosts_and_no_path() -> None:
    busy = FakeNode()
    busy.failure = SourceUnavailable("node1.example: HTTP 429", status=429, retry_after_s=9)
    with pytest.raises(SourceUnavailable) as caught:
        Nodes(garbled(), busy).payouts(IDS[0])
    assert "node0.example: not JSON" in str(caught.value)
    assert "node1.example: HTTP 429" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.retry_after_s == 9
    assert caught.value.__cause__ is None


def test_without_nodes_the_chain_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="no node is configured"):
        Nodes().payouts(IDS[0])


def test_no_ids_make_no_request_and_too_many_are_a_callers_mistake() -> None:
    nodes = Nodes(FakeNode())
    assert nodes.payouts() == ()
    assert nodes.sent_at == []
    with pytest.raises(ValueError, match="21 ids"):
        nodes.payouts(*IDS)


def test_its_connections_are_closed_with_it() -> None:
    nodes = Nodes()
    nodes.chain.close()
    assert nodes.closed


# ------------------------------------------------------------------------ pace


def test_public_nodes_are_asked_once_a_second_in_all() -> None:
    first, second = FakeNode(), FakeNode()
    first.errors = {IDS[0]: LIMIT}
    nodes = Nodes(first, second, public=True)
    for _ in range(3):
        nodes.payouts(*IDS[:3])
    pairs = zip(nodes.sent_at, nodes.sent_at[1:], strict=False)
    assert min(after - before for before, after in pairs) >= 1.0
    assert max(first.sizes + second.sizes) == PUBLIC_CALLS == nodes.chain.at_once
    assert nodes.chain.is_public


def test_trackers_of_one_host_share_the_second() -> None:
    nodes = Nodes(FakeNode(), public=True)
    nodes.chain.share(4)
    nodes.payouts(*IDS[:3])
    assert nodes.sent_at == [1_000.0, 1_004.0, 1_008.0, 1_012.0]


def test_own_nodes_are_not_kept_waiting_before_the_limit() -> None:
    node = FakeNode(1)
    nodes = Nodes(node)
    for _ in range(6):
        nodes.payouts(IDS[0])
    assert nodes.sent_at[CHAIN_REQUESTS - 1] == 1_000.0
    assert nodes.sent_at[CHAIN_REQUESTS] == 1_010.0


def test_a_call_that_takes_long_is_given_up() -> None:
    node = FakeNode(1)
    nodes = Nodes(node, step_s=LONGEST_S / 3)
    with pytest.raises(SourceUnavailable, match="no time is left"):
        nodes.payouts(IDS[0], V2)
    assert len(node.sizes) == 3


def test_after_an_outage_a_node_is_soon_asked_in_large_batches_again() -> None:
    node = FakeNode(80)
    nodes = Nodes(node)
    node.failure = SourceUnavailable("HTTP 500", status=500)
    with pytest.raises(SourceUnavailable):
        nodes.payouts(*IDS[:20])
    node.failure = None
    node.sizes.clear()
    nodes.now += REST_S
    nodes.payouts(*IDS[:20])
    assert node.sizes == [20, 60]


def test_larger_batches_are_tried_less_and_less_often_while_they_are_rejected() -> None:
    size, tries, now = BatchSize(80), [], 0.0
    while size.rejected(size.size(now), now):
        pass
    known = size.known
    for _ in range(4 * 3600):
        now += 1.0
        if size.size(now) > known:
            tries.append(now)
            size.rejected(size.known, now)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert tries[0] == LARGER_AFTER_S
    assert gaps[:3] == [120.0, 240.0, 480.0]
    assert max(gaps) == LARGER_AT_LAST_S
