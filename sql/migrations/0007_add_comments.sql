-- Why: each relation and column says what it is where it is used, in psql and in every tool. The texts are those of
--      docs/reference/data.md; a test compares them.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
-- Previous versions: must not write.
comment on view public.trades is
  'One row for each trade, stored once however often it was received. Fast for a token and a time span, for a time span of hours, and for the newest trades (order by traded_at desc limit 10). A question without a time reads every day.';
comment on column public.trades.traded_at is
  'exchange time, to the millisecond';
comment on column public.trades.received_at is
  'when the first tracker that stored it read its bytes, our clock, to the microsecond; a tracker with more than 300 connections reads them in rounds, up to 0.2 s after they arrived';
comment on column public.trades.condition_id is
  'the market, 0x…';
comment on column public.trades.token_id is
  'the outcome''s token, up to 78 digits';
comment on column public.trades.outcome is
  'its name, such as Yes; NULL until the catalog knows the token';
comment on column public.trades.price is
  'USDC a share, above 0 and at most 1';
comment on column public.trades.size is
  'shares, above 0';
comment on column public.trades.side is
  'the taker''s: BUY or SELL';
comment on column public.trades.fee_rate_bps is
  'fee rate that the feed reported, basis points; NULL when it reported none (one that cannot be is in extra)';
comment on column public.trades.transaction_hash is
  '0x… of the Polygon transaction; NULL when the feed reported none. Several trades may share one';
comment on column public.trades.occurrence is
  '1, or k for the k-th identical trade: see Identical trades';
comment on column public.trades.epoch is
  'the run of a connection in which it was received, unique in the database; NULL: not known, as for a trade that was taken in later';
comment on column public.trades.sequence is
  'its order of receipt within that epoch, so that trades with the same millisecond can be replayed; it says nothing about trades of another epoch. NULL likewise';
comment on column public.trades.trade_id is
  'NULL: the feed has no trade id today';
comment on column public.trades.extra is
  'fields of the trade that this version does not know; NULL when there are none';
comment on function public.candles(text, timestamptz, timestamptz, interval) is
  'A function: candles(token_id, from_time, to_time, width), with a width of one minute unless another one is given. It reads the trades of this token alone and returns every bucket from that which holds from_time to to_time, also those without a trade.';
comment on function public.trades_of_transaction(text, timestamptz, timestamptz) is
  'A function: trades_of_transaction(transaction_hash, from_time, to_time). It returns the rows of trades with this transaction in a time span; without one, those of the last 7 days. There is no index of transactions over all days: the shorter the span, the faster it is.';
comment on table public.markets is
  'One row for each market, as last reported: all but the first and the last two columns are overwritten, though never by nothing: what a later report leaves out stays. What was known earlier is in market_history. A market that is known from the feed''s announcement alone has most of them only when Gamma lists it.';
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
  'one of several markets of which exactly one resolves Yes';
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
  'when the tracker first stored it';
comment on column public.markets.updated_at is
  'when the row last changed';
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
  'What was known of a market when: one row when it was first stored, with all that was known, and one for each later change, with what changed. Rows are only added. The market as of a time is made of its rows until then, the last value of each column: see A market as it was known. The order of outcome_index never changes, so assets has no history; volumes have none either.';
comment on column public.market_history.condition_id is
  'the market';
comment on column public.market_history.known_at is
  'when the tracker stored it; later than it became true';
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
  'its name, such as Yes; NULL until the catalog knows the token. A later listing with another name does not change it and opens a contradiction; a resolution whose sources prove another name does';
comment on column public.assets.outcome_index is
  '0 or 1, NULL likewise: its place among the outcomes when it was first listed, which never changes';
comment on table public.resolutions is
  'Final outcomes: agreed by independent sources, never changed (the database does not allow it). A market that is not here has no resolution. How they are decided: Resolutions.';
comment on column public.resolutions.condition_id is
  'the market';
comment on column public.resolutions.kind is
  'winner, or split when each outcome pays the same';
comment on column public.resolutions.winning_token_id is
  'the token that pays 1; NULL for a split';
comment on column public.resolutions.winning_outcome is
  'its name; NULL for a split, and when no two sources told it alike';
comment on column public.resolutions.payouts is
  'USDC a share in outcome order as it was then, sum 1; by token they are in resolution_payouts';
comment on column public.resolutions.resolved_at is
  'when it resolved, as the sources say';
comment on column public.resolutions.recorded_at is
  'when the resolution was recorded: before that nobody who reads this table knew it';
comment on column public.resolutions.sources is
  'which sources agreed';
comment on table public.resolution_payouts is
  'What each token of a resolved market pays, recorded with the resolution and never changed. This is the label: join it by token_id.';
comment on column public.resolution_payouts.condition_id is
  'the market';
comment on column public.resolution_payouts.token_id is
  'the token';
comment on column public.resolution_payouts.outcome is
  'its name when the resolution was recorded; NULL when no two sources told it alike, or (for resolutions recorded before this table was made) when it is not certain any more';
comment on column public.resolution_payouts.payout is
  'USDC a share';
comment on table public.resolution_confirmations is
  'Sources that agree with a recorded resolution and were not among those that decided it. Rows are only added.';
comment on column public.resolution_confirmations.condition_id is
  'the market';
comment on column public.resolution_confirmations.source is
  'which source agrees';
comment on column public.resolution_confirmations.confirmed_at is
  'when it said so';
comment on column public.resolution_confirmations.recorded_at is
  'when the row was written';
comment on table public.resolution_observations is
  'The evidence: each time a source said something new about a market, and each step of the market on its way to a resolution. Rows are only added. What was known at a time are the last rows of each source before it.';
comment on column public.resolution_observations.condition_id is
  'the market';
comment on column public.resolution_observations.source is
  'gamma, clob, data or chain; tracker for a step of the market';
comment on column public.resolution_observations.observed_at is
  'when it said so';
comment on column public.resolution_observations.verdict is
  'winner <token id>, split, other payouts or not final; for tracker the state of the market';
comment on column public.resolution_observations.reason is
  'why it is not final, empty when it is; for tracker what led to the state';
comment on column public.resolution_observations.payouts is
  '[[token id, payout], …] when final, else NULL';
comment on column public.resolution_observations.payload is
  'what the source said, whole';
comment on column public.resolution_observations.recorded_at is
  'when the row was written';
comment on column public.resolution_observations.mapped_by is
  'the other sources whose word it takes for which token is meant: {gamma} for a winner that the Data API names by slot in a V2 market, else empty';
comment on column public.resolution_observations.generated_at is
  'when the source made the answer, if a cache had kept it; NULL: when it was observed';
comment on column public.resolution_observations.naming is
  'how it names the token that pays: token id, own list (by a place in a list of the same answer), computed slot or listed slot (of the contract), both alike. token id in rows from before this was kept; means nothing when payouts is NULL';
comment on column public.resolution_observations.names is
  'the name of each token''s outcome as this answer tells it, {token id: name}; NULL when it tells none';
comment on table public.resolution_conflicts is
  'Contradictions to a recorded resolution, or between sources; and listings that tell other names of tokens than before. What is recorded stays. A contradiction is open until cleared_at, and one row while it is open, whoever repeats it and from whichever side; when it comes back later, that is a new row. Rows are never deleted. A person ends the open ones of a market with tracker --acknowledge.';
comment on column public.resolution_conflicts.condition_id is
  'the market';
comment on column public.resolution_conflicts.detected_at is
  'when it was seen';
comment on column public.resolution_conflicts.recorded is
  'what is recorded, or what the other source says';
comment on column public.resolution_conflicts.observed is
  'what contradicts it';
comment on column public.resolution_conflicts.source is
  'which source says so; verdict for a resolution that another tracker sent';
comment on column public.resolution_conflicts.kind is
  'outcome; or mapping: which token has which name, or (index 0, index 1) which place among the outcomes';
comment on column public.resolution_conflicts.cleared_at is
  'when it ended; NULL: it is open';
comment on column public.resolution_conflicts.cleared_by is
  'why it ended, such as sources agree, or acknowledged: … with the reason that a person gave. In rows from before this was kept: resolved (the sources agreed later) or repeats an earlier row; NULL: it is open';
comment on view public.unresolved_markets is
  'Markets that should have an outcome (closed, past their end, or reported as ended) and have none recorded.';
comment on column public.unresolved_markets.condition_id is
  'the market';
comment on column public.unresolved_markets.ended_at is
  'when trading was planned to end; if that is still to come, when the market entered its state; may be NULL';
comment on column public.unresolved_markets.state is
  'the state of the market';
comment on column public.unresolved_markets.reason is
  'what each source said last, such as data: proposed; gamma: closed without status';
comment on column public.unresolved_markets.last_observed_at is
  'when a source last said something new; NULL before the first look';
comment on view public.coverage is
  'When listening to a token was proven, on any connection of any tracker. In exchange time.';
comment on column public.coverage.token_id is
  'the token';
comment on column public.coverage.during is
  'one range; those of a token do not overlap. A range goes on however often connections are replaced';
comment on column public.coverage.known_at is
  'from when on this was known: its beginning, or, when a part was stored more than ten minutes after it had ended (after an outage of the database), when that was. As of a time T a token was covered in during * tstzrange(NULL, T) of the rows with known_at <= T';
comment on function public.coverage_gaps(text, timestamptz, timestamptz) is
  'A function: coverage_gaps(token_id, from_time, to_time); a time that is NULL is no limit. It returns when the token was wanted and listening was not proven. What is not known yet (the last seconds of a running tracker) is no gap. The present is ours, or the last time of the exchange that is known when that is later: with a clock that is behind, gaps reach up to that. Time in which nobody wanted the token is no gap either: ask coverage. A token is wanted from the moment at which its market is chosen (or, if it could have been chosen earlier and was not known, from then on) until its resolution is stored, or until it has been closed for a day (TRACKER_CLOSED_SECONDS). When a tracker stopped or was killed and another one also wants the token, or wanted it, what the other one wants counts from then on: while it runs, and for good when it lets the token go. Time in which all that want the token are away is a gap. When the first one returns and listens to the token again, it has wanted it all the time; when it returns and does not, because the market has closed meanwhile, what the other one decided stands. A tracker that was alone, or whose successor went away, too, leaves a gap until one returns. When a tracker has not been seen for 24 hours and another one has been seen later, it wants nothing any more until it returns.';
comment on table public.connection_events is
  'What happened to connections, for looking back: of the last 90 days, and all marks of disputed trades.';
comment on column public.connection_events.at is
  'when, our clock';
comment on column public.connection_events.connection is
  'such as a-0001';
comment on column public.connection_events.event is
  'sent_twice and dated_apart (a disputed trade), connected, disconnected, reconnected, or failed: it could not be opened, or ended before it received anything, written once for each new reason';
comment on column public.connection_events.reason is
  'why a connection ends; of a disputed trade its token, milliseconds since 1970, occurrence, price and size, with blanks between';
comment on column public.connection_events.journal_key is
  'which tracker, a number of this database';
comment on table public.rejected_messages is
  'What was received and could not be used, verbatim. Everything that may be a trade is here: each event of a trade, and each event of another name with token, price, size and time. What a later version takes in stays here and has a taken_in_at.';
comment on column public.rejected_messages.received_at is
  'when its bytes arrived';
comment on column public.rejected_messages.connection is
  'on which connection; database: it could not hold a row; journal: a record that no connection told';
comment on column public.rejected_messages.reason is
  'one stable phrase, such as price out of range';
comment on column public.rejected_messages.payload is
  'the bytes as received; or, when the database could not hold a row, that row as JSON (a fact about coverage: its number in the journal and itself)';
comment on column public.rejected_messages.journal_key is
  'which tracker';
comment on column public.rejected_messages.seq is
  'where in its journal; NULL when the database could not hold it';
comment on column public.rejected_messages.index is
  'its place among those of that record, from 0; NULL likewise';
comment on column public.rejected_messages.message_key is
  'our number for it';
comment on column public.rejected_messages.epoch is
  'which run of that connection, a number of the journal; NULL when it came from none';
comment on column public.rejected_messages.occurrence is
  '1, or k for the k-th event with the same bytes on its connection: trades.occurrence of the trade in it, once a version understands it';
comment on column public.rejected_messages.doubt is
  'the token of the trade that it may be, * when that can be any; NULL when it is no trade';
comment on column public.rejected_messages.taken_in_at is
  'when a version that understands it stored its trades; NULL: not yet';
