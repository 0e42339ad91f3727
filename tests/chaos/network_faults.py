"""F41, F42, F45, F50-F54: the network is cut, stalled, rejects, redirects or loses everything."""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from actors.transport.reactor import UNPACED
from tests.chaos.fault import Fault
from tests.chaos.fault_run import PROOF_S, STEADY, FaultRun, at_of, reasons_of, receives_all
from tests.chaos.proxy import CLEAN, Toxics

TRANSPORT_S = 15.0
CONNECTIONS = 400
"""Tokens, and with two feeds of two tokens each as many connections."""
CALM_S = 5.0


def reset(run: FaultRun) -> None:
    run.simulate()
    proxy = run.feed
    run.start()
    run.fault_begins()
    count = proxy.reset()
    run.noticed("connection_ended", within_s=5)
    run.recovered(within_s=30)
    run.note(f"{count} connections reset at once")


def black_hole(run: FaultRun) -> None:
    run.simulate()
    proxy = run.feed
    run.start()
    run.fault_begins()
    run.feed_stalls()
    said = run.noticed("connection_ended", within_s=TRANSPORT_S + 15)
    run.expect(said["reason"].startswith("dead_transport"), f"reason was {said['reason']}")
    late = (run.outcome.notice_s or 0) > TRANSPORT_S + 5
    run.expect(not late, f"noticed later than {TRANSPORT_S:.0f} + 5 s")
    run.fault_ends()
    proxy.reset()
    run.feed_recovers()
    run.recovered(within_s=90)


def stalled(run: FaultRun) -> None:
    for kind in ("half_frame", "drip"):
        run.start(TRACKER_REDUNDANCY="1") if run.tracked is None else run.recovered(within_s=60)
        time.sleep(PROOF_S)
        run.inject(kind, count=1)
        said = run.noticed("connection_ended", within_s=TRANSPORT_S + 15)
        late = (run.outcome.notice_s or 0) > TRANSPORT_S + 5
        run.expect(not late, f"{kind}: noticed later than {TRANSPORT_S:.0f} + 5 s")
        run.note(f"{kind}: {said['reason']}")
    run.recovered(within_s=60)


def stalled_handshake(run: FaultRun) -> None:
    """Connections are accepted and get no answer, until the fault ends."""
    run.simulate()
    proxy = run.feed
    run.start()
    run.fault_begins()
    run.feed_stalls()
    proxy.reset()
    said = run.noticed(
        "connections_failed", "connection_ended", within_s=40, where=_is_of_the_handshake
    )
    run.note(reasons_of(said))
    run.fault_ends()
    run.feed_recovers()
    proxy.reset()
    run.recovered(within_s=90)


def _is_of_the_handshake(event: dict[str, Any]) -> bool:
    return "handshake" in reasons_of(event) or "timeout" in reasons_of(event)


def many_cut_at_once(run: FaultRun) -> None:
    """Forty connections are cut at once; they are opened again one after another."""
    run.simulate("--markets-per-second", "0", "--life", "90000-100000", markets=200)
    proxy = run.feed
    run.start(trades=400, TRACKER_ASSETS_PER_CONNECTION="20")
    accepted = proxy.accepted
    run.fault_begins()
    count = proxy.reset()
    run.noticed("connection_ended", within_s=5)
    run.recovered(within_s=60)
    assert run.tracked is not None
    opened = sorted(
        at_of(event)
        for event in run.tracked.events()
        if event.get("event") == "connection_reopened" and at_of(event) >= run.at
    )
    closest = sum(b - a < 0.01 for a, b in pairwise(opened))
    run.note(
        f"{count} connections, {proxy.accepted - accepted} tries, over"
        f" {opened[-1] - opened[0]:.1f} s, {closest} within 10 ms of the one before"
    )
    run.expect(run.outcome.recover_s is not None, "they were not opened again in 60 s")


def more_than_read_at_once(run: FaultRun) -> None:
    """More connections than are read at once: all are cut, then the tracker is killed."""
    run.simulate(*STEADY, markets=CONNECTIONS // 2)
    proxy = run.feed
    run.tracker(TRACKER_ASSETS_PER_CONNECTION="2")
    found = run.until_status("every token is received", receives_all, within_s=120)
    lines = found["connections"]["wanted"]
    run.expect(lines > UNPACED, f"{lines} connections are read at once")
    run.trade(trades=400)
    time.sleep(CALM_S)
    run.fault_begins()
    count = proxy.reset()
    run.noticed("connection_ended", within_s=10)
    run.recovered(within_s=120)
    took = run.outcome.recover_s
    run.flows()
    time.sleep(CALM_S)
    run.kill()
    run.tracker(TRACKER_ASSETS_PER_CONNECTION="2")
    run.recovered(within_s=120)
    run.outcome.recover_s = took
    run.note(f"{lines} connections in rounds, {count} cut at once, then kill -9")


def slow_and_cut(run: FaultRun) -> None:
    """300 kB/s and 20 ms of latency, in small pieces; then cut after so many bytes."""
    run.simulate()
    proxy = run.feed
    run.start()
    run.fault_begins()
    run.blind.append((run.at, run.at + 120))  # what is sent arrives much later
    proxy.toxics = Toxics(latency_s=0.02, bytes_per_s=300_000, slice_bytes=700)
    time.sleep(8)
    proxy.toxics = Toxics(limit_bytes=200_000)
    run.until_status("some were cut", lambda _: proxy.cuts >= 3, within_s=60)
    proxy.toxics = CLEAN
    run.fault_ends()
    run.recovered(within_s=90)
    run.note(f"{proxy.cuts} connections cut in mid-frame")


def _fault(
    number: str, name: str, how: str, expected: str, run: Callable[[FaultRun], None]
) -> Fault:
    return Fault(number=number, name=name, how=how, expected=expected, run=run, deadline_s=300.0)


def _proof(number: str, name: str, expected: str, *proof: str) -> Fault:
    return Fault(number=number, name=name, how="tests", expected=expected, proof=proof)


FAULTS = (
    _fault(
        "F41",
        "TCP reset of every connection at once",
        "the proxy before the feed sends RST",
        "noticed at once, connected again with jitter, a gap of that length",
        reset,
    ),
    _fault(
        "F42",
        "black hole before the feed",
        "the proxy swallows all, PONG included",
        "noticed within 15 s + 5 s",
        black_hole,
    ),
    _fault(
        "F45",
        "stall in mid-frame; one byte a second",
        "half a frame, then a frame that drips, one feed",
        "noticed within 15 s + 5 s",
        stalled,
    ),
    _fault(
        "F45b",
        "stall in the handshake",
        "the proxy accepts the connection and sends nothing",
        "given up at its deadline, connected again afterwards",
        stalled_handshake,
    ),
    _proof(
        "F50",
        "redirect to another host",
        "not followed",
        "tests/transport/test_handshake.py::test_a_redirect_is_not_followed",
        "tests/polymarket/test_http.py::test_a_redirect_is_not_followed",
    ),
    _proof(
        "F51",
        "certificate unknown, for another name, none",
        "rejected",
        "tests/network/test_connect.py::test_an_unknown_authority_is_rejected",
        "tests/network/test_connect.py::test_a_certificate_for_another_name_is_rejected",
        "tests/network/test_connect.py::test_a_server_without_tls_is_rejected",
        "tests/network/test_connect.py::test_an_open_websocket_verifies_by_default",
    ),
    _proof(
        "F52",
        "DNS down, slow, empty",
        "left at the deadline, bounded in number",
        "tests/network/test_connect.py::test_a_name_that_nobody_knows_is_lost_to_dns",
        "tests/network/test_connect.py::test_a_lookup_that_hangs_is_left_at_the_deadline",
        "tests/network/test_connect.py::test_lookups_that_hang_are_bounded_in_number",
        "tests/network/test_connect.py::test_a_name_without_addresses_is_lost_to_dns",
    ),
    _fault(
        "F53",
        "forty connections cut at once",
        "the proxy sends RST to all",
        "all back within 60 s, spread",
        many_cut_at_once,
    ),
    _fault(
        "F53b",
        "four hundred connections, read in rounds",
        "two tokens on each, two feeds; RST to all, later kill -9",
        "what was received is stored, the gaps are those of the cuts",
        more_than_read_at_once,
    ),
    _proof(
        "F54",
        "subscriptions in bounded messages",
        "at most 100 ids each, none left out",
        "tests/polymarket/test_channel.py::test_messages_name_at_most_a_hundred_tokens_and_none_is_left_out",
    ),
    _fault(
        "slow",
        "slow connection, small pieces, cut in mid-frame",
        "proxy: 300 kB/s, 20 ms, 700 bytes; then RST after 200 kB",
        "no incomplete frame is taken for a whole one",
        slow_and_cut,
    ),
)
