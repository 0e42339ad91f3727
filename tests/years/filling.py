"""The SQL that fills a database with a stretch of the exchange, in statements of bounded size.

Everything follows from numbers of markets and trades by hashes, so that the same scale and the
same end give the same rows. Market m has the tokens 2m - 1 and 2m, which are their keys, too;
markets end in the order of their numbers. The indexes are there from the start, since what is
filled at random is looser than what is built afterwards, as it is in truth. Pure.
"""

# ruff: noqa: S608 - the statements are made of our own numbers

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.years.size import (
    DAY_S,
    EVENTS_DAYS,
    FEEDS,
    MARKETS_A_DAY,
    SAMPLES_A_DAY,
    TOKENS_A_CONNECTION,
    TRADES_PER_S,
    Size,
    chunks,
    step_through,
)

MARKETS_AT_ONCE = 25_000
TRADES_AT_ONCE = 100_000
EVENTS_AT_ONCE = 200_000
SEQUENCES_PER_S = 70
"""Records of the journal: trades of two feeds, and facts."""
FIRST_SEQ = 1_000
EPOCH_S = 6 * 3_600
JOURNAL = 1
OTHERS = 4
"""Journals of trackers that were retired."""


class Part(NamedTuple):
    """Statements that fill one table; each is a transaction."""

    table: str
    statements: tuple[str, ...]


def parts(size: Size, until: datetime) -> Iterator[Part]:
    """Yield all parts, in their order."""
    yield from first_parts(size, until)
    yield from bookkeeping(size)
    yield trades(size, until)
    yield last_part()


def first_parts(size: Size, until: datetime) -> Iterator[Part]:
    """Yield what all others need."""
    yield Part("functions", (*_functions(size, until),))
    yield Part("journals", _JOURNALS)


def bookkeeping(size: Size) -> Iterator[Part]:
    """Yield all but the trades; it can be carried out beside them."""
    for table, statement, first, last in _by_market(size):
        spans = chunks(first, last, MARKETS_AT_ONCE)
        yield Part(table, tuple(statement.format(first=a, last=b) for a, b in spans))
    yield Part("process_life", (_life(size),))
    yield Part("epochs", (_epochs(size),))
    yield Part("connection_events", tuple(_events(size)))
    yield Part("rejected_messages", (_rejected(size),))


def trades(size: Size, until: datetime) -> Part:
    """Return the trades and their partitions."""
    return Part("trades", tuple(_trades(size, until)))


def last_part() -> Part:
    """Return what comes when all else is done."""
    return Part("identities", _IDENTITIES)


def watermark(size: Size) -> int:
    """Return the lowest sequence that is not committed."""
    return FIRST_SEQ + round(size.days * DAY_S * 1_000) * SEQUENCES_PER_S // 1_000 + 1


# ------------------------------------------------------------------ functions

_MASK = 9_223_372_036_854_775_807


def _functions(size: Size, until: datetime) -> Iterator[str]:
    """Yield the functions that the statements use, in a schema that is dropped at the end.

    Times are milliseconds, since arithmetic with intervals is not immutable, and functions with
      it are
    called for each row instead of being written into the statement.
    """
    ended, end = size.ended_markets, round(until.timestamp() * 1_000)
    began = end - round(size.days * DAY_S * 1_000)
    apart, longest = DAY_S * 1_000 // MARKETS_A_DAY, 11 * DAY_S * 1_000
    life = f"(1 + years.h(m, 2) % {longest})"
    opened = EPOCH_S * 1_000 // size.connections
    words = " || ".join(f"lpad(years.h(n, {seed})::text, 19, '0')" for seed in (11, 12, 13, 14))
    yield "create schema years"
    for head, body in (
        ("h(n bigint, seed bigint) returns bigint", f"hashint8extended(n, seed) & {_MASK}"),
        ("ends() returns bigint", f"{end}::bigint"),
        ("began() returns bigint", f"{began}::bigint"),
        ("at(t bigint) returns timestamptz", "to_timestamp(t / 1000.0)"),
        ("token(n bigint) returns text", f"'1' || {words}"),
        ("condition(m bigint) returns text", "'0x' || encode(sha256(int8send(m)), 'hex')"),
        (
            "ended(m bigint) returns bigint",
            f"""{end} + case when m <= {ended} then (m - {ended} - 1) * {apart}
              else years.h(m, 1) % {longest} end""",
        ),
        (
            "started(m bigint) returns bigint",
            f"case when m <= {ended} then years.ended(m) - {life} else {end} - {life} / 2 end",
        ),
        ("seq(t bigint) returns bigint", f"{FIRST_SEQ} + (t - {began}) * {SEQUENCES_PER_S} / 1000"),
        ("slot(m bigint) returns bigint", f"(m - {ended} - 1) / {TOKENS_A_CONNECTION // 2}"),
        (
            "opened(slot bigint, feed bigint) returns bigint",
            f"{end} - ({FEEDS} * ({size.slots} - slot) - feed) * {opened}",
        ),
        (
            "name(slot bigint, feed bigint) returns text",
            "chr(97 + feed::int) || '-' || lpad(slot::text, 4, '0')",
        ),
    ):
        yield f"create function years.{head} language sql immutable parallel safe return {body}"


# ------------------------------------------------------------------- journals

_JOURNALS = (
    f"""insert into tracker.journals (journal_key, journal_id, first_seen_at, retired_at)
       overriding system value
       select n, md5(n::text)::uuid, years.at(years.began()),
              case when n > {JOURNAL} then years.at(years.began()) end
       from generate_series({JOURNAL}, {JOURNAL + OTHERS}) n""",
    """insert into tracker.journal_progress (journal_key, mark, moved_at)
       select journal_key, years.seq(years.ends()) + 1, years.at(years.ends()) from
         tracker.journals""",
)
_IDENTITIES = (
    "select setval('tracker.journals_journal_key_seq', max(journal_key)) from tracker.journals",
    "select setval('public.assets_asset_key_seq', max(asset_key)) from public.assets",
    "drop schema years cascade",
)


# ------------------------------------------------- what there is of each market

# `offset 0`: each time is computed once, and not written into every place that names it.
_TIMES = """(select m, years.started(m) as started, years.ended(m) as ended
    from generate_series({first}::bigint, {last}::bigint) m offset 0) t"""
_SIDES = "generate_series(0, 1) side"
_ASSETS = f"""insert into public.assets (asset_key, token_id, condition_id, outcome, outcome_index)
    overriding system value
    select 2 * m - 1 + side, years.token(2 * m - 1 + side), years.condition(m),
           case side when 0 then 'Up' else 'Down' end, side
    from {_TIMES}, {_SIDES} order by m, side"""
_MARKETS = f"""insert into public.markets (condition_id, question, slug, gamma_id, end_date,
      started_at,
      closed, active, neg_risk, version, volume, tags, event_id, closed_time, tick_size,
      fee_schedule, description, first_seen_at, updated_at)
    select years.condition(m),
           'Bitcoin Up or Down - ' || to_char(years.at(ended), 'FMMonth DD, HH12:MIAM') || ' ET',
           'btc-updown-5m-' || ended / 1000 || '-' || m % 7, (500000 + m)::text, years.at(ended),
           years.at(started), ended <= years.ends(), true, false, 'v1',
           (years.h(m, 3) % 1000000)::numeric * 0.01,
           array['crypto-prices', 'hide-from-new', 'recurring', 'up-or-down'],
           (40000 + m)::text, case when ended <= years.ends() then years.at(ended) end, 0.01,
           jsonb_build_object('exponent', 1, 'rate', 0.07, 'rebateRate', 0.2, 'takerOnly', true),
           repeat('The price at the end of the range in the title decides. ', 10) || m,
           years.at(started), years.at(least(ended, years.ends()))
    from {_TIMES}"""
_EVENTS_OF_MARKETS = f"""insert into public.events (event_id, slug, title, series_slug, neg_risk,
      starts_at, end_date, first_seen_at, updated_at)
    select (40000 + m)::text, 'btc-updown-5m-' || ended / 1000 || '-' || m % 7,
           'Bitcoin Up or Down - ' || to_char(years.at(ended), 'FMMonth DD, HH12:MIAM') || ' ET',
           'btc-up-or-down-5m', false, years.at(ended - 300000), years.at(ended),
           years.at(started), years.at(started)
    from {_TIMES}"""
_FIRST_KNOWN = f"""insert into public.market_history (condition_id, known_at, changes)
    select condition_id, first_seen_at, jsonb_strip_nulls(to_jsonb(k)
      - array['condition_id', 'volume', 'first_seen_at', 'updated_at', 'closed_time'])
      || jsonb_build_object('closed', false)
    from {_TIMES} join public.markets k on k.condition_id = years.condition(m)"""
_CLOSED_KNOWN = f"""insert into public.market_history (condition_id, known_at, changes)
    select years.condition(m), years.at(ended + 30000),
           jsonb_build_object('closed', true, 'closed_time', years.at(ended))
    from {_TIMES}"""
_UNRESOLVED = f"insert into tracker.unresolved select years.condition(m) from {_TIMES}"
_RESOLUTIONS = f"""insert into public.resolutions (condition_id, kind, winning_token_id,
      winning_outcome,
      payouts, resolved_at, recorded_at, sources)
    select years.condition(m), 'winner', years.token(2 * m - 1 + won),
           case won when 0 then 'Up' else 'Down' end,
           array[1 - won, won]::numeric[], years.at(ended + 300000), years.at(ended + 660000),
           array['gamma', 'clob']
    from {_TIMES} cross join lateral (select years.h(m, 4) % 2 as won offset 0) w"""
_PAYOUTS = f"""insert into public.resolution_payouts (condition_id, token_id, outcome, payout)
    select years.condition(m), years.token(2 * m - 1 + side), case side when 0 then 'Up' else
      'Down' end,
           (years.h(m, 4) % 2 = side)::int
    from {_TIMES}, {_SIDES}"""
_CONFIRMATIONS = f"""insert into public.resolution_confirmations (condition_id, source,
      confirmed_at,
      recorded_at)
    select years.condition(m), 'chain', years.at(ended + 1200000), years.at(ended + 1201000)
    from {_TIMES}"""
_FINAL = f"""insert into public.resolution_observations (condition_id, source, observed_at,
      verdict, reason, payouts, payload, recorded_at, generated_at, naming, names)
    select condition, source, years.at(ended + after), 'winner ' || case won when 0 then yes else
      no end,
           '', jsonb_build_array(jsonb_build_array(yes, (1 - won)::text), jsonb_build_array(no,
             won::text)),
           jsonb_build_object('conditionId', condition, 'closed', true,
             'umaResolutionStatus', 'resolved', 'outcomes', '["Up", "Down"]',
             'outcomePrices', case won when 0 then '["1", "0"]' else '["0", "1"]' end,
             'clobTokenIds', format('["%s", "%s"]', yes, no)),
           years.at(ended + after + 1000), years.at(ended + after), 'token id',
           jsonb_build_object(yes, 'Up', no, 'Down')
    from {_TIMES}
    cross join lateral (select years.condition(m) as condition, years.h(m, 4) % 2 as won,
      years.token(2 * m - 1) as yes, years.token(2 * m) as no offset 0) w
    cross join (values ('gamma', 300000), ('clob', 301000)) said (source, after)"""
_STATES = f"""insert into public.resolution_observations (condition_id, source, observed_at,
      verdict, reason, payload, recorded_at)
    select years.condition(m), 'tracker', years.at(ended + after), name, '', '{{{{}}}}',
           years.at(ended + after + 1000)
    from {_TIMES}
    cross join (values ('ended', 0), ('agreed-holding', 302000), ('recorded', 660000)) state
      (name, after)"""
_WANTED = f"""insert into tracker.wanted (journal_key, asset_key, wanted_seq, unwanted_seq,
      from_at, until_at)
    select {JOURNAL}, 2 * m - 1 + side, years.seq(started),
           case when m <= {{resolved}} then years.seq(ended + 660000) end, years.at(started),
           case when m <= {{resolved}} then years.at(ended + 660000) end
    from {_TIMES}, {_SIDES}"""
# One range a token; 2 % of the tokens have one to three interruptions. What is open now was settled
# until its connections were opened.
_RANGES = f"""insert into tracker.coverage_ranges (journal_key, asset_key, from_at, until_at,
      known_at,
      epoch, confirmed_seq, released_seq, cause)
    select {JOURNAL}, n, years.at(since), years.at(until), years.at(since), years.seq(since),
           years.seq(since) + 1, years.seq(until) + 2,
           case when piece < pieces - 1 then 'disconnected' else 'released' end
    from (select m, n, started, case when m <= {{ended}} then ended
            else years.opened(years.slot(m), n % 2) + 5000 end as done,
            case when years.h(n, 5) % 50 = 0 then 2 + years.h(n, 6) % 3 else 1 end as pieces
          from {_TIMES}, generate_series(2 * m - 1, 2 * m) n offset 0) life
    cross join lateral generate_series(0, pieces - 1) piece
    cross join lateral (select started + (done - started) * piece / pieces as since,
      started + (done - started) * (piece + 1) / pieces
      - case when piece < pieces - 1 then least(30000, (done - started) / pieces / 2) else 0 end
        as until
      offset 0) span
    where done > started"""
_LISTENING = f"""insert into tracker.listening (journal_key, asset_key, epoch, confirmed_seq,
      from_at)
    select {JOURNAL}, n, years.seq(opened), years.seq(opened) + 1,
           years.at(greatest(opened + 1000, started))
    from {_TIMES}
    cross join generate_series(0, {FEEDS - 1}) feed
    cross join lateral (select years.opened(years.slot(m), feed) as opened offset 0) o
    cross join lateral generate_series(2 * m - 1, 2 * m) n"""


def _by_market(size: Size) -> Iterator[tuple[str, str, int, int]]:
    """Yield table, statement, first and last market."""
    every, resolved, ended = size.markets, size.resolved_markets, size.ended_markets
    told = size.described_from
    yield "assets", _ASSETS, 1, every
    yield "markets", _MARKETS, told, every
    yield "events", _EVENTS_OF_MARKETS, told, every
    yield "market_history", _FIRST_KNOWN, told, every
    yield "market_history", _CLOSED_KNOWN, told, ended
    yield "unresolved", _UNRESOLVED, resolved + 1, every
    yield "resolutions", _RESOLUTIONS, told, resolved
    yield "resolution_payouts", _PAYOUTS, told, resolved
    yield "resolution_confirmations", _CONFIRMATIONS, told, resolved
    yield "resolution_observations", _FINAL, told, resolved
    yield "resolution_observations", _STATES, told, resolved
    yield "wanted", _WANTED.replace("{resolved}", str(resolved)), 1, every
    yield "coverage_ranges", _RANGES.replace("{ended}", str(ended)), 1, every
    yield "listening", _LISTENING, ended + 1, every


# ------------------------------------------------------------- a running tracker


def _life(size: Size) -> str:
    last = size.runs - 1
    return f"""insert into tracker.process_life (journal_key, start_seq, started_at, alive_at,
      stopped_at,
        host, version, proven_until)
      select {JOURNAL}, years.seq(began), years.at(began), years.at(alive),
             case when n % 2 = 0 and n < {last} then years.at(alive) end, 'years', '1',
               years.at(alive - 1000)
      from (select n, years.began() + n * {7 * DAY_S * 1_000}::bigint as began,
              case when n < {last} then years.began() + (n + 1) * {7 * DAY_S * 1_000}::bigint -
                10000
                   else years.ends() end as alive
            from generate_series(0, {last}) n) run"""


def _epochs(size: Size) -> str:
    return f"""insert into tracker.epochs (journal_key, epoch, connection, leg, opened_at,
      proven_until)
      select {JOURNAL}, years.seq(opened), years.name(slot, feed), feed, years.at(opened),
             years.at(years.ends() - 1000)
      from (select slot, feed, years.opened(slot, feed) as opened
            from generate_series(0, {size.slots - 1}) slot, generate_series(0, {FEEDS - 1}) feed)
              o"""


def _events(size: Size) -> Iterator[str]:
    apart = min(EVENTS_DAYS, size.days) * DAY_S * 1_000 / max(1, size.events)
    for first, last in chunks(1, size.events, EVENTS_AT_ONCE):
        yield f"""insert into public.connection_events (at, connection, event, reason, journal_key)
          select years.at(years.ends() - (n * {apart})::bigint), years.name(n / 2 % {size.slots},
            n % {FEEDS}),
                 case n / 4 % 2 when 0 then 'connected' else 'ended' end,
                 case n / 4 % 2 when 0 then '' else 'renewed' end, {JOURNAL}
          from generate_series({first}::bigint, {last}::bigint) n"""


def _rejected(size: Size) -> str:
    return f"""insert into public.rejected_messages (received_at, connection, reason, payload,
      journal_key,
        seq, index, epoch, occurrence)
      select years.at(t), 'a-0001', 'unknown event',
             convert_to(repeat('{{"event_type":"new"}}', 10), 'UTF8'), {JOURNAL}, years.seq(t), 0,
             years.seq(t) - 1, 1
      from (select years.ends() - n * {DAY_S * 1_000 // SAMPLES_A_DAY}::bigint as t
            from generate_series(1, {size.samples}) n) r"""


# --------------------------------------------------------------------- trades


def trade_days(size: Size, until: datetime) -> list[str]:
    """Return the days that get a partition: those of the trades, and the next."""
    first = (until - timedelta(days=size.trade_days)).date()
    days = (until.date() - first).days + 2
    return [(first + timedelta(days=day)).isoformat() for day in range(days)]


def _trades(size: Size, until: datetime) -> Iterator[str]:
    tokens = size.trading_tokens
    base, step = 2 * size.markets - tokens, step_through(tokens)
    began = f"years.ends() - {round(size.trades * 1_000 / TRADES_PER_S)}"
    epochs = EPOCH_S * SEQUENCES_PER_S
    for day in trade_days(size, until):
        yield f"select tracker.add_trade_day('{day}')"
    for first, last in chunks(1, size.trades, TRADES_AT_ONCE):
        # rank = tokens ^ u with u even in [0, 1): the n-th busiest token has 1/n of the trades.
        yield f"""insert into tracker.trades (traded_at, received_at, trade_hash, epoch, sequence,
            asset_key, fee_rate_bps, occurrence, is_buy, price, size, transaction_hash)
          select years.at(t), years.at(t + 40 + a % 300), hashint8extended(n, 20),
                 years.seq(t) / {epochs} * {epochs} + rank % {size.slots}, n,
                 1 + {base} + rank * {step} % {tokens}, 0, 1, a / 300 % 2 = 0,
                 case when a / 600 % 10 > 0 then (1 + a / 6000 % 99)::numeric * 0.01
                      else (1 + a / 6000 % 999)::numeric * 0.001 end,
                 case when b % 3 = 0 then (1 + b / 3 % 500)::numeric
                      else (1000000 + b / 3 % 500000000)::numeric * 0.000001 end,
                 sha256(int8send(n / 2))
          from (select n, {began} + (n * {1_000 / TRADES_PER_S})::bigint as t, years.h(n, 22) as a,
                       years.h(n, 23) as b,
                       floor(power({tokens}::float8, years.h(n, 21)::float8 / {_MASK}.0))::bigint
                         - 1 as rank
                from generate_series({first}::bigint, {last}::bigint) n offset 0) made"""
