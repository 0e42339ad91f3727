-- Why: each relation and column says what it is where it is used, in psql and in every tool. The texts are those of
--      docs/reference/data.md; a test compares them.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
-- Previous versions: must not write.
comment on view public.trades is
  'One row for each trade, stored once however often it was received, and never changed or deleted. The feed reports the match of one taker''s order, on the taker''s token only: the total size at one price, though it may have met several orders at several prices. A trade is reported before it is settled on the chain. Fast for a token and a time span, for a time span of hours, and for the newest trades (order by traded_at desc limit 10). A question without a time reads every day.';
comment on column public.trades.traded_at is
  'exchange time, to the millisecond';
comment on column public.trades.received_at is
  'when the first tracker that stored it read its bytes, the clock of its host, to the microsecond; a tracker with more than 300 connections reads them in rounds, up to 0.2 s after they arrived. A trade that was stored later (an outage, taken in (docs/how-to/upgrade.md)) keeps it';
comment on column public.trades.condition_id is
  'the market, 0x…';
comment on column public.trades.token_id is
  'the outcome''s token, up to 78 digits';
comment on column public.trades.outcome is
  'its name, such as Yes; NULL until the catalog knows the token';
comment on column public.trades.price is
  'USDC a share, above 0 and at most 1: numeric(19, 18), as it was told, never rounded';
comment on column public.trades.size is
  'shares, above 0: numeric(38, 18), likewise';
comment on column public.trades.side is
  'the taker''s: BUY or SELL';
comment on column public.trades.fee_rate_bps is
  'fee rate that the feed reported, basis points; NULL when it reported none (one that cannot be is in extra)';
comment on column public.trades.transaction_hash is
  '0x… of the Polygon transaction; NULL when the feed reported none. Several trades may share one';
comment on column public.trades.occurrence is
  '1, or k for the k-th identical trade: see Identical trades (docs/how-to/query.md)';
comment on column public.trades.epoch is
  'the run of a connection in which it was received, a number that is unique in the database: the number that this epoch has in its journal (as in rejected_messages.epoch) plus journal_key times 2^44; NULL: not known, as for a trade that was taken in (docs/how-to/upgrade.md) later';
comment on column public.trades.sequence is
  'its order of receipt within that epoch, so that trades with the same millisecond can be replayed. It says nothing about trades of another epoch: among those received_at is the order, and within one microsecond of it the order is arbitrary. NULL likewise';
comment on column public.trades.trade_id is
  'NULL: the feed has no trade id today';
comment on column public.trades.extra is
  'fields of the trade that this version does not know; NULL when there are none';
comment on function public.candles(text, timestamptz, timestamptz, interval) is
  'A function: candles(token_id, from_time, to_time, width), with a width of one minute unless another one is given. It reads the trades of this token alone and returns every bucket from that which holds from_time to to_time, also those without a trade. The first bucket is whole, though it may begin before from_time; the last one has the trades before to_time only, and listened tells about all of it, so it may be cut. Both times must be finite; the width must be above 0 and without months or years, which have no one length; 1,000,000 buckets are given at most (minutes of 694 days). Anything else is an error that says so.
bucket: start of the bucket; buckets are counted from 2000-01-01 00:00 UTC
open: first price, USDC a share; NULL without a trade
high: highest price
low: lowest price
close: last price
volume: shares that were traded, not USDC; 0 without a trade
trades: number of trades
listened: whether the whole bucket is covered: then trades = 0 means that there were none';
comment on function public.trades_of_transaction(text, timestamptz, timestamptz) is
  'A function: trades_of_transaction(transaction_hash, from_time, to_time). It returns the rows of trades with this transaction in a time span; without one, those of the last 7 days. A time that is NULL is no limit. The hash may be given with or without its 0x; what is no hash is an error. There is no index of transactions over all days: the shorter the span, the faster it is.';
comment on table public.markets is
  'One row for each market, as last reported: all columns but condition_id and first_seen_at are overwritten, though never by nothing: what a later report leaves out stays. What was known earlier is in market_history. A market that is known from the feed''s announcement alone has most of them only when Gamma lists it.';
comment on column public.markets.condition_id is
  'the market, 0x…';
comment on column public.markets.question is
  'what is asked';
comment on column public.markets.slug is
  'the end of its web address';
comment on column public.markets.gamma_id is
  'its number at Gamma';
comment on column public.markets.end_date is
  'when trading is planned to end; often wrong, may be NULL';
comment on column public.markets.started_at is
  'Gamma''s start date; may be NULL';
comment on column public.markets.closed is
  'trading has ended; not that it resolved';
comment on column public.markets.active is
  'Gamma lists it as active. False also for a market that is known from the feed''s announcement alone';
comment on column public.markets.neg_risk is
  'one of several markets of which at most one resolves Yes';
comment on column public.markets.version is
  'v1 (CTF tokens) or v2 (positions)';
comment on column public.markets.volume is
  'USDC traded, as Gamma reported it last; may be NULL';
comment on column public.markets.tags is
  'tag slugs';
comment on column public.markets.event_id is
  'its event, in events; may be NULL';
comment on column public.markets.neg_risk_market_id is
  '0x…, the same for all markets of which at most one resolves Yes: when one of them trains a model, none may test it; NULL when there are none';
comment on column public.markets.group_title is
  'its name among the markets of its event, such as $1B; may be NULL';
comment on column public.markets.game_start is
  'when the game is planned to start; NULL when it is about none';
comment on column public.markets.closed_time is
  'when trading ended, as Gamma says; often before the tracker learnt of it. NULL while it is open, and of a market whose resolution was recorded before a listing called it closed';
comment on column public.markets.tick_size is
  'smallest step of a price, USDC; it becomes smaller near 0 and 1; may be NULL';
comment on column public.markets.fee_schedule is
  'the fees as Gamma tells them, such as {"rate": 0.03, "exponent": 1, "takerOnly": true, "rebateRate": 0.25}; may be NULL';
comment on column public.markets.description is
  'the rules by which it resolves; may be NULL';
comment on column public.markets.first_seen_at is
  'when the tracker first stored it, the database''s clock';
comment on column public.markets.updated_at is
  'when the row last changed, likewise; a new volume changes it, too';
comment on table public.events is
  'One row for each event: what markets about the same thing belong to, as last reported with one of them. What a later report leaves out stays. Rows and columns that Gamma did not tell are missing: join it with left join.';
comment on column public.events.event_id is
  'its number at Gamma';
comment on column public.events.slug is
  'the end of its web address; may be NULL, as all below';
comment on column public.events.title is
  'its title';
comment on column public.events.series_slug is
  'the series that it repeats in, such as btc-up-or-down-5m';
comment on column public.events.neg_risk is
  'at most one of its markets resolves Yes';
comment on column public.events.neg_risk_augmented is
  'markets may be added to it later, so none of those that are known now may resolve Yes';
comment on column public.events.neg_risk_market_id is
  'that of its markets';
comment on column public.events.starts_at is
  'when what it is about is planned to begin';
comment on column public.events.end_date is
  'when it is planned to end; often wrong';
comment on column public.events.first_seen_at is
  'when the tracker first stored it';
comment on column public.events.updated_at is
  'when the row last changed';
comment on table public.market_history is
  'What was known of a market when: one row when it was first stored, with all that was known, and one for each later change, with what changed. Rows are only added. The market as of a time is made of its rows until then, the last value of each column: see A market as it was known (docs/how-to/query.md). Volumes have no history, nor have events and assets: joined, they tell what is known today.';
comment on column public.market_history.condition_id is
  'the market';
comment on column public.market_history.known_at is
  'when the tracker stored it, the database''s clock; later than it became true';
comment on column public.market_history.changes is
  'columns of markets and their new values, without volume, first_seen_at and updated_at; a column that is not in any row until then was NULL';
comment on table public.assets is
  'One row for each token.';
comment on column public.assets.asset_key is
  'our number for it, different in every database';
comment on column public.assets.token_id is
  'the token';
comment on column public.assets.condition_id is
  'its market; NULL until a trade or the catalog names it';
comment on column public.assets.outcome is
  'its name, such as Yes; NULL until the catalog knows the token. A later listing with another name does not change it and opens a contradiction; a resolution whose sources prove another name does. That changes the outcome of trades of then, too. An earlier name is kept where a source told it: in names of resolution_observations, and in that contradiction';
comment on column public.assets.outcome_index is
  '0 or 1, NULL likewise: its place among the outcomes when it was first listed, which never changes';
comment on table public.resolutions is
  'Final outcomes: agreed by independent sources, never changed (the database does not allow it). A market that is not here has none that is recorded: it goes on, or its sources are not final or not agreed (unresolved_markets). How they are decided: Resolutions (docs/explanation/resolutions.md).';
comment on column public.resolutions.condition_id is
  'the market';
comment on column public.resolutions.kind is
  'winner, or split when each outcome pays the same';
comment on column public.resolutions.winning_token_id is
  'the token that pays 1; NULL for a split';
comment on column public.resolutions.winning_outcome is
  'its name when the resolution was recorded; NULL for a split, and when no two sources told it alike';
comment on column public.resolutions.payouts is
  'USDC a share in the order of outcome_index, sum 1; by token, for joining, they are in resolution_payouts';
comment on column public.resolutions.resolved_at is
  'when it resolved, as Gamma says; where it does not, when a source was final first (observed_at)';
comment on column public.resolutions.recorded_at is
  'when the resolution was recorded, the database''s clock: before that nobody who reads this table knew it';
comment on column public.resolutions.sources is
  'which sources agreed';
comment on table public.resolution_payouts is
  'What each token of a resolved market pays, recorded with the resolution and never changed. This is the label: join it by token_id.';
comment on column public.resolution_payouts.condition_id is
  'the market';
comment on column public.resolution_payouts.token_id is
  'the token';
comment on column public.resolution_payouts.outcome is
  'its name when the resolution was recorded; NULL when no two sources told it alike';
comment on column public.resolution_payouts.payout is
  'USDC a share: numeric(19, 18)';
comment on view public.labels is
  'The labels as they are known now: one row for each token of a resolved market. For training as of a time use labels_as_of, which has no evidence of later. Fast for a token, for a market, and for all.';
comment on column public.labels.token_id is
  'the token';
comment on column public.labels.condition_id is
  'its market';
comment on column public.labels.outcome is
  'its name when the resolution was recorded; NULL when no two sources told it alike';
comment on column public.labels.payout is
  'USDC a share: 1, 0, or 0.5 for a split; numeric(19, 18)';
comment on column public.labels.resolved_at is
  'when the market resolved, as in resolutions';
comment on column public.labels.known_at is
  'when the resolution was recorded, the database''s clock: before that nobody knew it here';
comment on column public.labels.contested is
  'a contradiction about the outcome of the market is open: outcome in resolution_conflicts. One that was cleared does not count, nor do names of tokens that a listing tells otherwise';
comment on column public.labels.sources is
  'which sources agreed';
comment on function public.labels_as_of(timestamptz) is
  'A function: labels_as_of(at). It returns the rows of labels as they were known at that time: those with known_at at or before it, and contested by what was recorded by then and whose end was not. What is learned later changes no row of it. Fast where it is asked about a token or a market; no row for NULL.';
comment on table public.resolution_confirmations is
  'Sources that agree with a recorded resolution and were not among those that decided it. Rows are only added.';
comment on column public.resolution_confirmations.condition_id is
  'the market';
comment on column public.resolution_confirmations.source is
  'which source agrees, as in resolution_observations';
comment on column public.resolution_confirmations.confirmed_at is
  'when it was asked for the answer that agrees, our clock, as observed_at in resolution_observations';
comment on column public.resolution_confirmations.recorded_at is
  'when the row was written, the database''s clock';
comment on table public.resolution_observations is
  'The evidence: each time a source said something new about a market, and each step of the market on its way to a resolution. Rows are only added. What was known at a time T is, of each source, the row with the latest observed_at among those with recorded_at <= T.';
comment on column public.resolution_observations.condition_id is
  'the market';
comment on column public.resolution_observations.source is
  'gamma, clob, data or chain; tracker for a step of the market';
comment on column public.resolution_observations.observed_at is
  'when it was asked for this answer, our clock; for tracker when the market took the step';
comment on column public.resolution_observations.verdict is
  'winner <token id>, split, other payouts or not final; for tracker the state of the market (docs/explanation/resolutions.md)';
comment on column public.resolution_observations.reason is
  'why it is not final, empty when it is; for tracker what led to the state';
comment on column public.resolution_observations.payouts is
  '[[token id, payout], …] as this source tells them when final, else NULL. What was decided is in resolution_payouts';
comment on column public.resolution_observations.payload is
  'what the source said, whole; a JSON string when it was no JSON';
comment on column public.resolution_observations.recorded_at is
  'when the row was written, the database''s clock';
comment on column public.resolution_observations.mapped_by is
  'the other sources whose word it takes for which token is meant; no source of this version does, so it is empty';
comment on column public.resolution_observations.generated_at is
  'when the source made the answer, if a cache had kept it; NULL: when it was observed';
comment on column public.resolution_observations.naming is
  'how it names the token that pays, one of four values: token id; own list: by a place in a list that the same answer has beside its tokens; computed slot: by a slot of the contract, from which the token follows; both alike: both pay the same, so none need be named. Means nothing when payouts is NULL';
comment on column public.resolution_observations.names is
  'the name of each token''s outcome as this answer tells it, {token id: name}; NULL when it tells none';
comment on table public.resolution_conflicts is
  'Contradictions to a recorded resolution, or between sources; and listings that tell other names of tokens than before. The resolution that is recorded stays as it is, whatever contradicts it. A contradiction is open until cleared_at, and one row while it is open, whoever repeats it and from whichever side; when it comes back later, that is a new row. Rows are never deleted. A person ends the open ones of a market with tracker --acknowledge (docs/how-to/operate.md).';
comment on column public.resolution_conflicts.condition_id is
  'the market';
comment on column public.resolution_conflicts.detected_at is
  'when it was seen: observed_at of the answer, the tracker''s clock; for a listing and for verdict when the row was written, the database''s';
comment on column public.resolution_conflicts.recorded is
  'what is recorded, or what the other source says, in the words of resolution_observations; for mapping a name';
comment on column public.resolution_conflicts.observed is
  'what contradicts it, likewise';
comment on column public.resolution_conflicts.source is
  'which source says so. verdict is no source: another tracker decided otherwise than what had been recorded';
comment on column public.resolution_conflicts.kind is
  'outcome; or mapping: which token has which name, or (index 0, index 1) which place among the outcomes';
comment on column public.resolution_conflicts.cleared_at is
  'when it ended, the tracker''s clock; NULL: it is open';
comment on column public.resolution_conflicts.cleared_by is
  'why it ended, such as sources agree, or acknowledged: … with the reason that a person gave. NULL: it is open';
comment on column public.resolution_conflicts.recorded_at is
  'when it was stored, the database''s clock: as of an earlier time nobody knew it here';
comment on column public.resolution_conflicts.clearance_recorded_at is
  'when its end was stored, likewise; NULL: it is open';
comment on view public.unresolved_markets is
  'Markets that should have an outcome (closed, past their end, or reported as ended) and have none recorded. A view of what the tracker remembers in tracker.unresolved, which holds all markets without a resolution, also those that go on.';
comment on column public.unresolved_markets.condition_id is
  'the market';
comment on column public.unresolved_markets.ended_at is
  'the planned end of trading when that is over; else the time at which the market entered its state, NULL before it has one';
comment on column public.unresolved_markets.state is
  'how far it has come: ended: nobody proposes an outcome yet, or one source alone is final; proposed and disputed: a source reports so; agreed-holding: two sources agree, and it is waited whether they stay with it; recorded: it is being stored; conflict: final answers contradict each other; open: its end is over, and its sources have not been asked since (states of a market (docs/explanation/resolutions.md))';
comment on column public.unresolved_markets.reason is
  'what each source said last, such as data: proposed; gamma: closed without status; each is explained in the table of the sources (docs/explanation/resolutions.md)';
comment on column public.unresolved_markets.last_observed_at is
  'when a source last said something new; NULL before the first look';
comment on view public.coverage is
  'When listening to a token was proven, on any connection of any tracker. In exchange time; a beginning is by our clock where that is later.';
comment on column public.coverage.token_id is
  'the token';
comment on column public.coverage.during is
  'one range; those of a token do not overlap. A range goes on however often connections are replaced';
comment on column public.coverage.known_at is
  'from when on this was known: its beginning, or, when proofs of it were stored more than ten minutes after the times that they prove (after an outage of the database), when the last of them was; and when rejected messages were taken in that had left a part of it out, when the last of them was. One such part makes the whole range late, so it may say too little of what was known; too much by ten minutes at most. As of a time T a token was covered in during * tstzrange(NULL, T) of the rows with known_at <= T';
comment on function public.coverage_gaps(text, timestamptz, timestamptz) is
  'A function: coverage_gaps(token_id, from_time, to_time). It returns when the token was wanted and listening was not proven. A time that is NULL is no limit.
- A token that is not known has no rows: that proves nothing. Nor is time in which nobody wanted the token a gap. Whether a time was listened to is told by coverage alone. Time that is in neither was not wanted, or is not known yet.
- What is not known yet is no gap: the last seconds of a running tracker, and the future. The present is ours, or the last time of the exchange that is known when that is later: with a clock that is behind, gaps reach up to that.
- A token is wanted from the moment at which its market is chosen (or, if it could have been chosen earlier and was not known, from then on) until its resolution is stored, or until it has been closed for a day (TRACKER_CLOSED_SECONDS). After the resolution there are no gaps, also when a tracker starts again, takes the market from a listing that lags behind, and wants and hears it for a while.
With several trackers, and with one that is away:
- Time in which all that want the token are away is a gap. A tracker that was alone, or whose successor went away, too, leaves a gap until one returns.
- When a tracker stopped or was killed and another one also wants the token, or wanted it, what the other one wants counts from then on: while it runs, and for good when it lets the token go.
- When the first one returns and listens to the token again, it has wanted it all the time. When it returns and lets it go within five minutes, because the market has closed meanwhile, what the other one decided stands.
- When a tracker has not been seen for 24 hours and another one has been seen later, it wants nothing any more until it returns. A person can say so at once: retire (docs/how-to/maintain.md).
gap: one range
cause: never_confirmed, disconnected, frozen, deaf, process_down, disk_full, exchange_silent, clock_step, rejected or not_discovered
The cause says how the listening ended that was the last before the gap:
- never_confirmed: there was none since the token is wanted; its first book has not come.
- disconnected: the connection was lost, or ended by a fault of ours; or a part of the journal was lost (journal_hole in the log) or is not understood (journal_records_unknown).
- frozen: the connection was open and brought no data.
- deaf: the connection brought data of other tokens and missed trades of this one.
- process_down: the tracker was stopped, killed or without power.
- disk_full: the tracker could not write what it received.
- clock_step: our clock was behind the exchange''s when listening began, as was found only later: until then it does not count.
- exchange_silent: the exchange sent nothing to any connection.
- rejected: a trade was received and is not in trades; it is in rejected_messages. Either an event that may be a trade could not be read, or the database could not hold a trade. In the first case the gap reaches from the last trade that was kept before it to the first proof behind it, for its token, or for all tokens of the connection when its token cannot be read. It is closed when a later version understands (docs/how-to/upgrade.md) what was kept: every message in it that may be a trade of the token. In the second case it is the second in which the trade was traded, and is closed when the database has taken the trade after all, which the tracker tries by itself. It is a gap for every tracker that listened, also where all of that was settled before.
- not_discovered: the market could be traded and the tracker did not know it. The gap begins with its start date, or, if that is older, with the last complete listing of all markets that did not have it, and ends with the first book. Markets that wait for their volume (TRACKER_MIN_VOLUME, TRACKER_MAX_ASSETS) leave none, nor do those that began before the tracker was started and are found by its first listing.';
comment on view public.market_coverage is
  'One row for each market and each day (UTC) on which one of its tokens was wanted: whether the market is complete on that day, and how much of it was listened to. It says what coverage and coverage_gaps say of the day, summed over the market''s tokens; a gap is a gap of coverage_gaps. It is fast for a month of all markets, as they are not.
- A day is there as a whole, or not yet. Its rows are computed when it is over for every tracker that is not retired (docs/how-to/maintain.md) (the rule by which an export (docs/reference/dataset.md) calls a day final): 10 minutes after its end at the earliest, and on the whole exchange half an hour later. A tracker that was killed and does not return holds all later days up until it is retired. Today has no rows: ask the function.
- What comes late changes it. A message or a trade that is taken in, a trade that is rejected, a wish that is dated back, a market or a token that is stored late, a resolution, or another end of trading: the rows that this concerns have computed_at NULL until they are computed again, within some minutes. Then complete is false and the numbers are NULL. When a tracker returns or is retired, all days since it was seen last are computed again, and are not there until then.
- Rows are made by a running tracker, those of the oldest day first.';
comment on column public.market_coverage.condition_id is
  'the market';
comment on column public.market_coverage.day is
  'the day, UTC';
comment on column public.market_coverage.wanted_s is
  'seconds of its tokens together that were listened to, or missed: 172,800 for a whole day of two tokens';
comment on column public.market_coverage.covered_s is
  'seconds of its tokens together that were listened to';
comment on column public.market_coverage.share is
  'covered_s / wanted_s';
comment on column public.market_coverage.complete is
  'every token was covered from the first listening to the market until trading ended, as far as that is within the day. Trading ended at markets.closed_time of a market that is closed, or at resolutions.resolved_at, whichever is earlier; where there is neither, when we learned that it is closed, the last time if it was opened again. Gaps after that do not count, nor does the wait for the first book of a token (a gap never_confirmed that lasted 10 s at most, as a whole, and ended with the book); every other gap does. So does time in which nobody wanted the market although it went on, which is no gap';
comment on column public.market_coverage.longest_gap_s is
  'seconds of the longest gap of one token within the day; 0 without a gap';
comment on column public.market_coverage.causes is
  'the causes of its gaps, sorted; empty without a gap';
comment on column public.market_coverage.computed_at is
  'when the day was computed as a whole, the database''s clock; NULL: something changed, and the row is not computed again yet';
comment on function public.market_coverage(text, timestamptz, timestamptz) is
  'A function: market_coverage(condition_id, from_time, to_time). It computes the same of any time at once, as it is known now, also of today: one row, or none when no token of the market was wanted then, or it is not known. What is not known yet (the last seconds, the future) is neither covered nor missed. A time that is NULL is no limit; one that ends before it begins has no row.
wanted_s: as above
covered_s: as above
share: as above
complete: as above, within the time that is asked about
longest_gap_s: as above
causes: as above';
comment on table public.connection_events is
  'What happened to connections, for looking back: of the last 90 days, and all marks of disputed trades (docs/how-to/query.md).
Trades are never left out on suspicion; one that may be stored once too often is marked here. sent_twice: one feed alone had so many identical ones. Each is a row of trades, and the mark names a row beyond those that the other feed had, too. dated_apart: the feeds gave one transaction''s trade two times up to two seconds apart. Both are rows of trades, and the mark names the later. Not marked is what was received in the last half minute before a kill -9 or a power cut, or read back from the journal: what else, and a query (docs/how-to/query.md).';
comment on column public.connection_events.at is
  'when, our clock; of a disputed trade its received_at';
comment on column public.connection_events.connection is
  'such as a-0001; of a disputed trade that which gave the row';
comment on column public.connection_events.event is
  'sent_twice and dated_apart: a disputed trade. Else connected, disconnected, reconnected, or failed: it could not be opened, or ended before it received anything, written once for each new reason';
comment on column public.connection_events.reason is
  'why a connection ends (docs/reference/log-events.md); of a disputed trade its token, milliseconds since 1970, occurrence, price and size, with blanks between';
comment on column public.connection_events.journal_key is
  'which tracker: the number of its journal, another one in every database';
comment on table public.rejected_messages is
  'What was received and could not be used, verbatim. Of that, everything that may be a trade is here: each event of a trade, and each event of another name with token, price, size and time; in an hour as much as a twentieth of the journal''s largest size, 1 GiB of 20, and no more, so that a flood does not fill the disk (its tokens are not covered then, and the log has perhaps a trade, and too much of such is kept). What a later version takes in (docs/how-to/upgrade.md) stays here and has a taken_in_at.
Of what a connection brought and cannot be a trade (doubt is NULL, epoch is not) samples are kept: of each kind, which is the unknown name of an event or else the reason, the first 20 in a minute, of all connections together. The first 16 kinds of a minute are told apart, the others count as one; of each at most 32 KiB are kept, and what is longer once in an hour. All of them are counted (drift.left_out_total (docs/reference/status.md), unknown_event_type in the log). occurrence counts also those that are not kept. Samples are deleted 30 days after their receipt, no other row of this table is: how long each table is kept (docs/explanation/storage.md).
Where connection is database and uncovered has a time, it is a trade that the database could not hold. The tracker tries to store it again, some seconds after each start and after the first such trade, then less and less often, at last every ten minutes; when that succeeds, the row has a taken_in_at and the gap is closed. How many are left is database.rejected_trades (docs/reference/status.md).
Where connection is journal, a record of the tracker''s own journal is kept: a fact about coverage that the database could not hold, or a record of a kind that this version does not know. As long as it is not taken in, the coverage of its time stays open to change.';
comment on column public.rejected_messages.received_at is
  'when its bytes arrived, read from the clock as trades.received_at is; of what no connection brought, when it was written or rejected (a trade keeps its own time)';
comment on column public.rejected_messages.connection is
  'which connection brought it; database: none, it is a row that the database could not hold, or a resolution without its evidence; journal: none, it is a record of the journal';
comment on column public.rejected_messages.reason is
  'one stable phrase, such as price out of range; of a row that the database could not hold also what it said';
comment on column public.rejected_messages.payload is
  'the bytes as received; of database the row as JSON; of journal the bytes of the record (MessagePack)';
comment on column public.rejected_messages.journal_key is
  'which tracker: the number of its journal';
comment on column public.rejected_messages.seq is
  'the number in that journal of the record that held it; NULL for database';
comment on column public.rejected_messages.index is
  'its place among the rejected messages of that record, from 0; NULL likewise';
comment on column public.rejected_messages.message_key is
  'our number for it';
comment on column public.rejected_messages.epoch is
  'which run of that connection, the number that it has in the journal (trades.epoch has 2^44 times journal_key more); NULL when no connection brought it';
comment on column public.rejected_messages.occurrence is
  '1, or k for the k-th event with the same bytes on its connection: trades.occurrence of the trade in it, once a version understands it';
comment on column public.rejected_messages.doubt is
  'the token of the trade that it may be, or is (database), * when that can be any; NULL when it is no trade';
comment on column public.rejected_messages.taken_in_at is
  'when a version that understands it stored its trades, or the database held it after all, the database''s clock; NULL: not yet';
comment on column public.rejected_messages.uncovered is
  'of a trade that the database could not hold, the second of the exchange''s clock in which it was traded: as long as it is not taken in, that time of its token is a gap, whoever listened then. When its time is impossible, the minute before its receipt. NULL of all others';
comment on table public.audits is
  'What a witness that shares nothing with the feed says of an hour of a market: how we know that nothing is missing (docs/explanation/audit.md). One row for each hour, market and witness. A later audit replaces it, but one that is unknown replaces only another unknown; a row of the chain is deleted when the Data API and the database agree in everything later. Rows are deleted 400 days after they were written. What the witness lists is compared, and never stored as a trade. The numbers count tokens in transactions, whatever the number of trades or fills in them.';
comment on column public.audits.condition_id is
  'the market';
comment on column public.audits.hour is
  'when the hour begins';
comment on column public.audits.witness is
  'who was asked: data is the Data API; chain the logs of the exchange''s contracts, about transactions of which data lists what is not stored, or not what is: missing or unknown, never complete; rtds the stream of all markets, of which a sample is kept';
comment on column public.audits.theirs is
  'what the witness lists in that hour';
comment on column public.audits.ours is
  'what is stored in that hour';
comment on column public.audits.missing is
  'what the witness lists and is not stored, or less of it: 0.01 shares at least';
comment on column public.audits.outside_gaps is
  'of missing, what was traded while the token was covered';
comment on column public.audits.unmatched is
  'what is stored and the witness does not list, or less of it; not within a minute of the edges of the hour';
comment on column public.audits.result is
  'complete: all that the witness lists is stored, and it lists all that is stored; missing: missing is not 0; unknown: nothing is missing of what it lists, and it does not list, or show, all of the hour';
comment on column public.audits.checked_at is
  'when it was compared, our clock';
comment on column public.audits.evidence is
  'reasons why it is unknown, how often each (counts), the first few that are missing and unmatched, when the answer was made (made_at), in how many pages, what of it was rejected, and the floor: smaller trades are not judged';
