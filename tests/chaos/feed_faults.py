"""F43, F44, F46-F49, F55, F56: the feed is silent, invalid, too large, too fast or closed."""

import time
from collections.abc import Callable

from actors.simulator.judge import ledger_lines
from tests.chaos.checker import gaps_of
from tests.chaos.fault import Fault
from tests.chaos.fault_run import PROOF_S, STEADY, FaultRun, reasons_of
from tests.live.processes import until

SILENCE_S = 5
TRANSPORT_S = 15.0
WITHOUT_BOOKS_S = 40
CLAIMS = "select token_id, extract(epoch from min(lower(during)))::float8 from coverage group by 1"


def frozen(run: FaultRun) -> None:
    run.start(TRACKER_SILENCE_SECONDS=str(SILENCE_S), TRACKER_REDUNDANCY="1")
    run.inject("freeze", count=1, seconds=0)
    said = run.noticed("connection_ended", within_s=SILENCE_S + 30)
    run.expect(said["reason"].startswith("frozen"), f"reason was {said['reason']}")
    late = (run.outcome.notice_s or 0) > SILENCE_S + 5
    run.expect(not late, f"noticed later than {SILENCE_S} + 5 s")
    run.recovered(within_s=30)


def frozen_beside(run: FaultRun) -> None:
    run.start(TRACKER_SILENCE_SECONDS=str(SILENCE_S))
    time.sleep(PROOF_S)
    run.inject("freeze", count=1, seconds=0)
    run.noticed("connection_ended", within_s=SILENCE_S + 30)
    run.recovered(within_s=30)
    run.costs_nothing = True


def tokens_missed(run: FaultRun) -> None:
    """Three tokens, each on one feed, are silent; the other feed shows that they trade."""
    run.start(trades=400)
    time.sleep(PROOF_S)
    run.inject("miss_token", count=3)
    none_missed = lambda: not any(line["missed"] for line in run.lines())  # noqa: E731
    until("no connection misses a token", none_missed, within_s=150)
    run.outcome.recover_s = time.time() - run.at
    time.sleep(PROOF_S)
    run.costs_nothing = True


def without_books(run: FaultRun) -> None:
    """No book answers a subscription: no coverage is claimed until it is sent again.

    Books follow trades as well, so few tokens trade meanwhile.
    """
    sparse = ("--noise-per-second", "0", "--zipf", "3")
    run.simulate(*STEADY, *sparse, trades=3)
    run.inject("no_books", seconds=WITHOUT_BOOKS_S)
    run.began = run.at
    run.tracker(TRACKER_REDUNDANCY="1", TRACKER_SILENCE_SECONDS="120")
    run.flows(within_s=WITHOUT_BOOKS_S + 60, stored=10)
    run.outcome.recover_s = time.time() - run.at - WITHOUT_BOOKS_S
    reconnects = run.status()["connections"]["reconnects_total"]
    run.expect(reconnects == 0, f"{reconnects} connections were given up")
    over = run.at + WITHOUT_BOOKS_S
    early = {token for token, at in run.server.ask(CLAIMS, db=run.plain_dsn) if at < over - PROOF_S}
    lines = [line for line in ledger_lines(run.ledger) if line["kind"] == "trade"]
    traded = {line["token"] for line in lines if line["ts"] / 1000 < over}
    run.expect(early <= traded, f"{len(early - traded)} tokens are claimed without a book")
    gaps = gaps_of(run.plain_dsn, (run.at, over))
    unclaimed = {token for token, _, cause in gaps if cause == "never_confirmed"}
    run.expect(len(unclaimed) >= 40, f"only {len(unclaimed)} tokens were never confirmed")
    run.note(
        f"{len(early)} claimed by a trade, {len(unclaimed)} subscribed again on their connections"
    )


def oversize(run: FaultRun) -> None:
    run.start()
    before = run.memory_mib()
    run.inject("oversize", count=3, mebibytes=64)
    run.noticed("connection_ended", within_s=TRANSPORT_S + 10)
    peak = max(before, run.memory_mib())
    run.recovered(within_s=60)
    peak = max(peak, run.memory_mib())
    run.note(f"memory + {peak - before:.0f} MiB")
    run.expect(peak - before < 64, "memory grew by 64 MiB or more")


def garbage(run: FaultRun) -> None:
    run.start()
    time.sleep(PROOF_S)
    run.inject("garbage", count=3)
    run.admin("fault", kind="bad_text", count=3)
    rejected = lambda found: found["accounting"]["rejected"] > 0  # noqa: E731
    run.until_status("some are rejected", rejected)
    run.recovered(within_s=30)
    rows = run.server.ask("select count(*) from rejected_messages", db=run.plain_dsn)
    run.note(f"{rows[0][0]} rejected")
    run.expect(run.status()["accounting"]["balanced"], "the accounting does not balance")
    run.expect(run.status()["restarts"]["total"] == 0, "an actor died of it")


def closed(run: FaultRun) -> None:
    run.start()
    for code in (1000, 1001, 1008, 1012, 1013):
        time.sleep(PROOF_S)
        run.inject("close", code=code, count=1)
        run.noticed(
            "connection_ended",
            within_s=5,
            where=lambda event: str(code) in event["reason"],  # noqa: B023 - used at once
        )
        run.recovered(within_s=90)
    time.sleep(PROOF_S)
    run.inject("bad_frame", count=1)
    run.noticed("connection_ended", within_s=5)
    run.recovered(within_s=60)
    run.costs_nothing = True


def rejected(run: FaultRun) -> None:
    run.start()
    for status in (429, 403, 503):
        time.sleep(PROOF_S)
        run.inject("reject_ws", seconds=90, status=status)
        run.admin("fault", kind="drop", count=1)
        run.noticed(
            "connections_failed",
            within_s=60,  # after earlier failures it may wait before it tries
            where=lambda event: str(status) in reasons_of(event),  # noqa: B023 - used at once
        )
        run.admin("fault", kind="reject_ws", seconds=0, status=status)
        run.fault_ends()
        run.recovered(within_s=120)
    run.costs_nothing = True


def changing(run: FaultRun) -> None:
    """Markets begin and end, connections are cut, and every trade is stored or in a gap."""
    run.simulate("--markets-per-second", "2", "--life", "4-10", markets=60)
    run.tracker()
    run.until_status("something is received", lambda found: found["assets"]["covered"] > 40)
    run.admin("rates", trades_per_second=300)
    for _ in range(round(8 * run.scale)):
        run.inject("drop", count=1)
        time.sleep(2)
    found = run.status()
    run.expect(found["assets"]["covered"] > 40, f"only {found['assets']} at the end")
    run.note(f"{found['assets']['wanted']} tokens wanted at the end")
    run.began = time.time()


def burst(run: FaultRun) -> None:
    seconds = 20.0 * min(run.scale, 3)
    run.start(trades=400)
    time.sleep(PROOF_S)
    run.fault_begins()
    run.admin("rates", trades_per_second=2000, noise_per_second=18_000)
    lag, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        lag = max(lag, float(run.status()["database"]["lag_s"]))
    run.admin("rates", trades_per_second=200, noise_per_second=300)
    run.fault_ends()
    run.recovered(within_s=60)
    run.note(f"20,000 messages/s for {seconds:.0f} s; trades waited {lag:.1f} s at most")
    run.costs_nothing = True


def rolling(run: FaultRun) -> None:
    """Every connection is ended once, one after another, under 2,000 trades/s."""
    run.start(trades=2000)
    run.fault_begins()
    numbers = [line["connection"] for line in run.lines()]
    for number in numbers:
        time.sleep(PROOF_S)
        run.inject("close", code=1001, count=1, connection=number)
        run.noticed("connection_ended", within_s=5)
        run.recovered(within_s=30)
    run.note(f"{len(numbers)} connections replaced")
    run.costs_nothing = True


def calm(run: FaultRun) -> None:
    """Nothing happens; nothing may be called a gap."""
    seconds = 30.0 if run.scale == 1.0 else 3600.0
    run.start(trades=300)
    time.sleep(seconds)
    run.note(f"{seconds:.0f} s")
    run.costs_nothing = True


def _fault(
    number: str, name: str, how: str, expected: str, run: Callable[[FaultRun], None]
) -> Fault:
    return Fault(number=number, name=name, how=how, expected=expected, run=run, deadline_s=240.0)


def _proof(number: str, name: str, expected: str, *proof: str) -> Fault:
    return Fault(number=number, name=name, how="tests", expected=expected, proof=proof)


FAULTS = (
    _fault(
        "F43",
        "freeze that answers PONG, one feed",
        "the simulator withholds data from one connection",
        "noticed within TRACKER_SILENCE_SECONDS + 5 s; gap from the last data on",
        frozen,
    ),
    _fault(
        "F43b",
        "freeze that answers PONG, two feeds",
        "as F43 with the default redundancy",
        "no trade is missing, no gap",
        frozen_beside,
    ),
    _fault(
        "F44",
        "single tokens missed on a live connection",
        "the simulator withholds one token each from three connections",
        "noticed by the other feed, cured; no gap with two feeds",
        tokens_missed,
    ),
    _fault(
        "F44b",
        "no book after the subscription",
        "no books for 40 s from the start, one feed",
        "trades stored, nothing claimed; subscribed again on the same connection",
        without_books,
    ),
    _fault(
        "F46",
        "frames of 64 MiB",
        "announced on three connections, one MiB sent",
        "cut at the cap, memory + < 64 MiB",
        oversize,
    ),
    _proof(
        "F46b",
        "2^40 bytes, endless fragments, header, error page",
        "cut at the cap",
        "tests/transport/test_skimmer.py",
        "tests/transport/test_handshake.py",
        "tests/polymarket/test_http.py",
    ),
    _fault(
        "F47",
        "garbage, bad UTF-8, unknown and wrong events",
        "some thirty frames on each of three connections",
        "rejected and counted; no actor dies; a gap only where both feeds got some at once",
        garbage,
    ),
    _fault(
        "F48",
        "CLOSE 1000/1001/1008/1012/1013, invalid frame",
        "the simulator closes or breaks one connection after another",
        "data before it is kept; connected again; no gap with two feeds",
        closed,
    ),
    _fault(
        "F49",
        "429, 403, 503 on upgrade",
        "one connection dropped, handshakes rejected until it got a rejection",
        "backs off and comes back; no gap with two feeds",
        rejected,
    ),
    _fault(
        "F55",
        "markets come and go while connections are cut",
        "two new markets a second that trade for 4-10 s, a drop every 2 s",
        "every trade stored or in a gap",
        changing,
    ),
    _fault(
        "F56",
        "burst of 20,000 messages/s",
        "2,000 trades/s and 18,000 others for 20 s (60 s with HOURS)",
        "no loss, no gap; lag recovers",
        burst,
    ),
    _fault(
        "roll",
        "rolling restart of every connection",
        "closed one by one under 2,000 trades/s, two feeds",
        "no trade missing, no gap",
        rolling,
    ),
    Fault(
        number="calm",
        name="calm: nothing happens",
        how="two feeds, 300 trades/s, 30 s (an hour with HOURS)",
        expected="no gap at all",
        run=calm,
        deadline_s=420,
    ),
)
