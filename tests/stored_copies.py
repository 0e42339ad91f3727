"""Stored copies: what an earlier version wrote, and what it read from it, in plain values.

The copies stand in tests/data/stored; the README there says how they were made. A value is
compared by the names that are written here, so that a class or a field may be renamed: then the
functions below change, but never the stored copies.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from actors.actor import Addresses, Incarnation
from actors.journal.filesystem import Disk
from actors.journal.journal import MIB, Journal
from actors.journal.recorder import Journal as JournalPort
from actors.messages import BatchWritten, Open, StoreLost, Tick
from actors.model.facts import Entry, Fact, Hole, encode
from actors.model.market import Market, Recheck, Resolution, StoredEvidence, TimeWindow, Transition
from actors.model.storage import Batch, RejectedRow
from actors.model.trade import Trade, canonical_decimal
from actors.resolution.cases import CaseBook
from actors.writer.actor import WriterActor, WriterSettings
from actors.writer.catchup import Store as StorePort
from tests.fakes_box import Box, drain

STORED = Path(__file__).parent / "data" / "stored" / "0.1.0"
BOOT = b"the second boot."
"""Identity of the boot of the machine on which the stored journal was written last."""
OTHER_BOOT = b"some later boot."
WALL_NS = 1_773_000_000_000_000_000
LONGER = ("alive",)
"""Kinds of records that have had one more field since, empty in those of then."""
NEVER_S = 3600.0
HOLD_S = 120.0

Plain = dict[str, Any]

_BARE_CONDITION = re.compile(r'"(0x[0-9a-f]{62})"')


def values(name: str) -> Any:
    """Return stored values; numbers with a decimal point stay text."""
    return read_json((STORED / f"{name}.json").read_text())


def padded(found: Any) -> Any:
    """Return what was decoded with its 62-digit condition ids padded: 0.1.0 did not pad them."""
    return json.loads(_BARE_CONDITION.sub(r'"\g<1>00"', json.dumps(found)))


def read_json(text: str) -> Any:
    return json.loads(text, parse_float=str)


def trade_now(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of `trades` without the zeros that the view writes behind all of its numbers."""
    return {**row, **{name: canonical_decimal(Decimal(row[name])) for name in ("price", "size")}}


# ------------------------------------------------------- what is read since then


def read_since() -> Any:
    """Return what later versions find in the copies that version 0.1.0 had to reject.

    `trades`: [place among all trades, trade]; `rejected`: their [sequence, index] then; `rows`:
    of some tables the rows that went and that came. Of the records that no version understands:
    `facts`, what they cost in coverage, `written_at_ns`, when they were written, and
    `rows_of_both`, the rows that went and came in either database.
    """
    return read_json((STORED.parent / "read_since.json").read_text())


def transactions_now(then: Plain) -> Plain:
    """Return the content of the transactions as it is found today."""
    trades = list(then["trades"])
    for place, each in read_since()["trades"]:
        trades.insert(place, each)
    facts = sorted([*then["facts"], *read_since()["facts"]], key=lambda each: int(each[0]))
    facts = [[*each, None] if each[1] in LONGER else each for each in facts]
    kept = rejected_now(then["rejected"])
    for row in kept:
        written_at_ns = read_since()["written_at_ns"].get(str(row["seq"]))
        row["received_at_ns"] = written_at_ns or row["received_at_ns"]
    return {**then, "trades": trades, "rejected": kept, "facts": facts}


def written_now(then: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of what is written to an empty database today."""
    more = len(read_since()["trades"])
    return {**then, "stored": then["stored"] + more, "rejected": then["rejected"] - more}


def rejected_now(rows: Sequence[Plain]) -> list[Plain]:
    """Return rejections, without those that are trades today and with the index of today."""
    read = {tuple(each) for each in read_since()["rejected"]}
    left = [dict(row) for row in rows if (row["seq"], row["index"]) not in read]
    for row in left:
        if row["seq"] is not None:
            row["index"] -= sum(seq == row["seq"] and at < row["index"] for seq, at in read)
    return left


def tables_now(then: Mapping[str, list[Plain]]) -> dict[str, list[Plain]]:
    """Return the tables of a database that was caught up, as they are today."""
    now = {**then, "rejected_messages": rejected_now(then["rejected_messages"])}
    outcomes = {row["token_id"]: row["outcome"] for row in then["trades"]}
    # Of relations that are gone since then nothing is compared.
    for name, rows in ((name, rows) for name, rows in read_since()["rows"].items() if name in now):
        now[name] = [*(row for row in now[name] if row not in rows["went"]), *rows["came"]]
    for row in now["trades"]:
        row["outcome"] = outcomes.get(row["token_id"])
    now["trades"] = [trade_now(row) for row in now["trades"]]
    return ended_now(now)


def ended_now(then: Mapping[str, list[Plain]]) -> dict[str, list[Plain]]:
    """Return tables with what records that nobody understands cost in coverage today."""
    now = dict(then)
    both = read_since()["rows_of_both"]
    for name, rows in ((name, rows) for name, rows in both.items() if name in now):
        left = [row for row in now[name] if row not in (*rows["went"], *rows["came"])]
        now[name] = [*left, *rows["came"]]
    return {name: sorted(rows, key=json.dumps) for name, rows in now.items()}


# --------------------------------------------------------------------- journal


class Booted(Disk):
    """The real disk, on a machine with the boot identity that a test gives it."""

    def __init__(self, boot: bytes) -> None:
        self._boot = boot

    def boot_id(self) -> bytes:
        return self._boot


def copied(folder: Path) -> Path:
    """Copy the stored journal, so that a test may append to it."""
    return shutil.copytree(STORED / "journal", folder / "journal")


def opened(directory: Path, boot: bytes = BOOT) -> Journal:
    """Open a journal that syncs only when `sync` is called."""
    return Journal.open(
        directory,
        max_bytes=64 * MIB,
        segment_bytes=8192,
        reserve_bytes=1024,
        sync_interval_s=NEVER_S,
        wall_ns=lambda: WALL_NS,
        disk=Booted(boot),
    )


def numbers(journal: Journal) -> Plain:
    """Return the identity of the journal and its sequences."""
    return {
        "identity": str(journal.journal_id),
        "oldest": journal.oldest_seq,
        "opened_at": journal.opened_at_seq,
        "next": journal.next_seq,
        "unmet": journal.unacknowledged_seq,
    }


def item(found: Entry | Hole) -> list[Any]:
    """Return an entry or a hole in plain values."""
    if isinstance(found, Hole):
        return ["hole", found.first, found.last, found.bytes_lost, found.skipped]
    return ["entry", found.seq, blake2b(found.body, digest_size=8).hexdigest()]


# ---------------------------------------------------------------- one transaction


def trade(row: Trade, number: int) -> Plain:
    return {
        "token_id": row.token_id,
        "condition_id": row.condition_id,
        "traded_at_ms": row.traded_at_ms,
        "received_at_ns": row.received_at_ns,
        "price": str(row.price),
        "size": str(row.size),
        "side": row.side,
        "fee_rate_bps": row.fee_rate_bps,
        "transaction_hash": row.transaction_hash,
        "occurrence": row.occurrence,
        "trade_id": row.trade_id,
        "extra": row.extra,
        "hash": number,
    }


def rejected(row: RejectedRow) -> Plain:
    return {
        "seq": row.seq,
        "index": row.index,
        "connection": row.connection,
        "reason": row.rejection.reason,
        "payload": row.rejection.payload.hex(),
        "received_at_ns": row.rejection.received_at_ns,
    }


def fact(row: Fact) -> list[Any]:
    """Return a fact as it is stored in the journal: the tag, then the fields in order."""
    fields: list[Any] = msgspec.msgpack.decode(encode(row))
    return fields


def transactions(batches: Sequence[Batch]) -> Plain:
    """Return the content of these transactions together."""
    return {
        "trades": [
            trade(row, number)
            for batch in batches
            for row, number in zip(batch.trades, batch.hashes, strict=True)
        ],
        "rejected": [rejected(row) for batch in batches for row in batch.rejections],
        "facts": [[seq, *fact(row)] for batch in batches for seq, row in batch.facts],
        "watermark": batches[-1].watermark,
    }


# ------------------------------------------------- what is read from the database


def market(row: Market) -> Plain:
    return {
        "condition_id": row.condition_id,
        "question": row.question,
        "slug": row.slug,
        "tokens": [[each.token_id, each.outcome, each.outcome_index] for each in row.assets],
        "gamma_id": row.gamma_id,
        "end_at": row.end_at and row.end_at.isoformat(),
        "started_at": row.started_at and row.started_at.isoformat(),
        "closed": row.closed,
        "active": row.active,
        "neg_risk": row.neg_risk,
        "version": row.version,
        "volume": None if row.volume is None else str(row.volume),
        "tags": list(row.tags),
    }


def plain_evidence(evidence: StoredEvidence) -> Plain:
    """Return the last observations, the last states, and the markets with contradictions."""
    observations = [
        [
            each.condition_id,
            each.source.value,
            each.observed_at_ms,
            each.payouts and [[token, str(payout)] for token, payout in each.payouts],
            each.reason,
        ]
        for each in evidence.observations
    ]
    states = [[market, state.value, at_ms] for market, state, at_ms in evidence.states]
    return {
        "observations": sorted(observations, key=lambda each: (each[0], each[1])),
        "states": sorted(states),
        "contradicted": sorted(evidence.contradicted),
    }


def resolution(row: Resolution) -> Plain:
    return {
        "condition_id": row.condition_id,
        "kind": row.kind,
        "winning_token_id": row.winning_token_id,
        "winning_outcome": row.winning_outcome,
        "payouts": [str(payout) for payout in row.payouts],
        "resolved_at_ms": row.resolved_at_ms,
        "sources": [source.value for source in row.sources],
    }


def recheck(row: Recheck) -> Plain:
    return {
        **resolution(row.resolution),
        "market": market(row.market),
        "recorded_at_ms": row.recorded_at_ms,
        "due_at_ms": row.due_at_ms,
        "told": sorted([source.value, text] for source, text in row.contradicted_by),
    }


def transition(row: Transition) -> list[Any]:
    return [row.condition_id, row.at_ms, row.before.value, row.after.value, row.reason]


def observed_again(store: StorePort, since_ms: int, now_ms: int) -> list[Any]:
    """Let a new process read what a database holds, and observe each source once more.

    Every source reports what it reported last. The findings are in the order of the markets.

    Args:
        store: Open.
        since_ms: From when on resolutions are checked again.
        now_ms: The time of everything that happens.
    """
    window = TimeWindow(since_ms, now_ms)
    known = [each for chunk in store.resolutions_to_check(window) for each in chunk]
    waiting = [each for chunk in store.open_markets() for each in chunk]
    markets = {each.condition_id: each for each in (*waiting, *(each.market for each in known))}
    evidence = store.stored_evidence(sorted(markets))
    cases = CaseBook(poll_s=60, hold_s=HOLD_S)
    cases.restore(evidence, now_ms)
    cases.add(waiting, now_ms)
    cases.restore_rechecks(known, now_ms)
    found: list[Any] = []
    for observation in sorted(
        evidence.observations, key=lambda each: (each.condition_id, each.source)
    ):
        again = msgspec.structs.replace(observation, observed_at_ms=now_ms)
        findings = cases.observe(again, markets[observation.condition_id], now_ms)
        clash = findings.contradictions[0] if findings.contradictions else None
        step = findings.transition
        found.append(
            {
                "condition_id": observation.condition_id,
                "source": observation.source.value,
                "new": findings.observation is not None,
                "resolution": findings.resolution and resolution(findings.resolution),
                "contradiction": clash and [clash.recorded, clash.observed, clash.source.value],
                "transition": step and transition(step),
            }
        )
    ended = [cases.end_poll(each, now_ms) for each in sorted(markets)]
    return [*found, *(transition(each) for each in ended if each is not None)]


# ---------------------------------------------------------------------- catch-up


def catch_up(journal: JournalPort, store: StorePort, *, records: int = 20_000) -> Mapping[str, int]:
    """Let a writer read the journal to its end; return the sums of what it reported.

    Args:
        journal: Open.
        store: The store that it writes to; closed afterwards.
        records: About how many records one transaction takes.
    """
    supervisor = Box()
    to = Addresses(supervisor=supervisor, catalog=Box(), resolution=Box())
    writer = WriterActor(
        Incarnation("writer", 1, Tick(now=1.0, wall_ns=WALL_NS)),
        to=to,
        store=store,
        journal=journal,
        settings=WriterSettings(batch_records=records),
        rng=Random(1),
    )
    writer.on_receive(Open())
    drain(writer)
    writer.on_stop()
    assert not supervisor.of(StoreLost)
    written = supervisor.of(BatchWritten)
    return {
        "stored": sum(each.stored for each in written),
        "repeated": sum(each.duplicates for each in written),
        "rejected": sum(each.rejected for each in written),
        "recovered": sum(each.recovered for each in written),
        "watermark": max((each.watermark for each in written), default=0),
    }
