"""Coverage: what a query for gaps costs with millions of stored intervals.

Ten thousand tokens, each listened to on two feeds for sixty days and replaced about
every six hours; sometimes both feeds are away. The tables are filled directly:
the query is measured, not the storing.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.comparison import Figure, Findings
from tests.bench.database import served
from tests.bench.rivals_venv import InstalledRivals

TOKENS, LIVES, FEEDS, HOURS = 10_000, 250, 2, 6
PER_CONNECTION = 200
ASKED = 40
FILL = (
    """insert into tracker.journals (journal_id) values (gen_random_uuid())""",
    """insert into tracker.process_life
         (journal_key, start_seq, started_at, alive_at, host, version)
       select 1, 1, now() - make_interval(hours => {lives} * {hours}), now() + interval '1 hour',
              'bench', '0'""",
    """insert into assets (token_id, condition_id)
       select lpad(n::text, 77, '0'), '0x' || lpad(to_hex(n / 2), 64, '0')
       from generate_series(1, {tokens}) n""",
    """insert into tracker.wanted (journal_key, asset_key, wanted_seq, from_at)
       select 1, asset_key, 1, now() - make_interval(hours => {lives} * {hours}) from assets""",
    # An epoch is one run of one connection; the last of them is open.
    """insert into tracker.epochs (journal_key, epoch, connection, leg, opened_at, proven_until,
                           closed_at, closed_seq, reason)
       select 1, epoch, chr(97 + feed) || '-' || line, feed, from_at,
              case when life = {lives} - 1 then now() else until_at end,
              case when life < {lives} - 1 then until_at end,
              case when life < {lives} - 1 then epoch + 1 end,
              case when life < {lives} - 1 then 'replaced' end
       from (select life, feed, line,
                    10 + 10 * (line + {lines} * (feed + {feeds} * life))::bigint as epoch,
                    began + make_interval(secs => 600 * feed + line) as from_at,
                    began + make_interval(hours => {hours}, secs => 600 * feed + line
                      + case when (life + line) % 50 = 0 then -900 else 5 end) as until_at
             from generate_series(0, {lives} - 1) life, generate_series(0, {feeds} - 1) feed,
                  generate_series(0, {lines} - 1) line,
                  lateral (select now() - make_interval(hours => ({lives} - life) * {hours}))
                          start (began)) lives""",
    """insert into tracker.listening (journal_key, asset_key, epoch, confirmed_seq, released_seq,
                              from_at, until_at, cause)
       select 1, asset_key, epoch, epoch + 1, closed_seq, opened_at, closed_at,
              case when closed_at is not null then 'released' end
       from tracker.epochs join assets on asset_key % {lines} = (epoch / 10 - 1) % {lines}""",
    """vacuum analyze""",
)
SOME = "select token_id from assets order by hashint4(asset_key) limit %s"
ONE = """select count(*), coalesce(sum(extract(epoch from upper(gap) - lower(gap))), 0)::float8
         from coverage_gaps(%s, now() - interval '30 days', now())"""
ALL = """select count(*) from assets a,
         coverage_gaps(a.token_id, now() - interval '1 day', now())"""


def measure(_: InstalledRivals, __: Path, turns: int) -> Findings:
    """Fill the tables, then query one token over thirty days, and all tokens over one day."""
    sizes = {"tokens": TOKENS, "lives": LIVES, "feeds": FEEDS, "hours": HOURS}
    sizes["lines"] = TOKENS // PER_CONNECTION
    with (
        served() as server,
        server.fresh() as dsn,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        began = time.monotonic()
        for statement in FILL:
            connection.execute(statement.format(**sizes).encode())
        filled_s = time.monotonic() - began
        ((intervals,),) = connection.execute("select count(*) from tracker.listening").fetchall()
        tokens = connection.execute(SOME, [ASKED]).fetchall()
        one = [_queried(connection, ONE, token) for (token,) in tokens]
        day = [_queried(connection, ALL) for _ in range(turns)]
    findings = Findings()
    findings.figures += [
        Figure("coverage_token_ms", "ms", [ms for ms, _ in one], wanted="< 100"),
        Figure("coverage_day_s", "s", [ms / 1000 for ms, _ in day], wanted="< 5"),
    ]
    rows: list[Sequence[Any]] = [
        ("stored intervals", intervals),
        ("seconds to fill", round(filled_s)),
        ("gaps of one token in 30 days", one[0][1]),
        (f"gaps of {TOKENS:,} tokens in a day", day[0][1]),
    ]
    findings.tables.append(("Coverage", ("", ""), rows))
    return findings


def _queried(
    connection: psycopg.Connection[tuple[int, ...]], what: str, *given: str
) -> tuple[float, int]:
    """Return milliseconds and the number of gaps."""
    began = time.perf_counter()
    row = connection.execute(what.encode(), given or None).fetchone()
    assert row is not None
    return (time.perf_counter() - began) * 1000, row[0]
