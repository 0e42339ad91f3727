-- Returns everything that the migrations make in a database, and whether it is there. A test compares this list with what
-- they make. A trigger and a foreign key are named with their table. The last column of the list: only where tracker.trades
-- is of this kind, a partitioned table (p), or one of TimescaleDB's (r).
-- An index whose building did not succeed, or lacks a partition, is not there; nor is a trigger that a partition lacks.
-- Rows: many: kind, name (text), whether a relation of any kind has this name, whether it is there (boolean).
with made (kind, place, names, trades) as (values
  ('table', 'public', array[
    'assets', 'audits', 'connection_events', 'events', 'market_history', 'markets', 'rejected_messages', 'resolution_confirmations',
    'resolution_conflicts', 'resolution_observations', 'resolution_payouts', 'resolutions'], null),
  ('table', 'tracker', array[
    'changed_market_days', 'computed_days', 'coverage_ranges', 'epochs', 'journal_progress', 'journals', 'listening',
    'market_days', 'process_life', 'trades', 'unresolved', 'wanted'], null),
  ('view', 'public', array['coverage', 'labels', 'market_coverage', 'trades', 'unresolved_markets'], null),
  ('view', 'tracker', array['listening_now'], null),
  ('sequence', 'public', array['assets_asset_key_seq', 'rejected_messages_message_key_seq'], null),
  ('sequence', 'tracker', array['journals_journal_key_seq'], null),
  ('unique index', 'public', array[
    'assets_pkey', 'assets_token_id_key', 'audits_pkey', 'connection_events_pkey', 'events_pkey', 'market_history_pkey', 'markets_pkey',
    'rejected_messages_journal_key_seq_index_key', 'rejected_messages_once', 'rejected_messages_pkey',
    'resolution_confirmations_pkey', 'resolution_conflicts_open', 'resolution_conflicts_pkey',
    'resolution_observations_condition_id_source_observed_at_key', 'resolution_payouts_pkey', 'resolutions_pkey'], null),
  ('unique index', 'tracker', array[
    'computed_days_pkey', 'coverage_ranges_pkey', 'epochs_pkey', 'journal_progress_pkey', 'journals_journal_id_key',
    'journals_pkey', 'listening_pkey', 'market_days_pkey', 'process_life_pkey', 'unresolved_pkey', 'wanted_pkey'], null),
  ('unique index', 'tracker', array['trades_traded_at_asset_key_trade_hash_key'], 'p'),
  ('unique index', 'tracker', array['trades_asset_key_traded_at_trade_hash_key'], 'r'),
  ('index', 'public', array[
    'assets_condition', 'assets_unnamed', 'audits_checked_at', 'events_slug', 'markets_event', 'markets_neg_risk',
    'markets_slug',
    'rejected_messages_doubts', 'rejected_messages_kept', 'rejected_messages_received_at', 'rejected_messages_records',
    'rejected_messages_samples', 'rejected_messages_to_store', 'rejected_messages_uncovered', 'resolution_observations_recorded_at',
    'resolution_payouts_token', 'resolutions_recorded_at'], null),
  ('index', 'tracker', array[
    'changed_market_days_by_market', 'computed_days_due', 'epochs_ended', 'epochs_held', 'epochs_open', 'listening_by_token',
    'listening_released', 'market_days_day', 'process_life_seen', 'process_life_started', 'trades_received_at',
    'wanted_ended', 'wanted_open'], null),
  ('index', 'tracker', array['trades_asset', 'trades_transaction'], 'p'),
  ('index', 'tracker', array['trades_traded_at'], 'r'),
  ('function', 'public', array['candles', 'coverage_gaps', 'labels_as_of', 'market_coverage', 'trades_of_transaction'], null),
  ('function', 'tracker', array[
    'add_trade_day', 'announce_days_again', 'candle_width', 'covered_until', 'is_first_book', 'keep_doubtful',
    'keep_market_history', 'mark_close', 'mark_heard_again', 'mark_late_change', 'mark_market', 'mark_market_days',
    'mark_new_tokens', 'reject_change'], null),
  ('trigger', 'public', array[
    'assets.mark_named', 'assets.mark_new_tokens', 'market_history.append_only', 'markets.keep_history',
    'markets.mark_late_close', 'markets.mark_late_market',
    'rejected_messages.keep_doubtful', 'rejected_messages.mark_rejected', 'rejected_messages.mark_taken_in',
    'resolution_confirmations.append_only', 'resolution_conflicts.append_only', 'resolution_observations.append_only',
    'resolution_payouts.append_only', 'resolutions.append_only', 'resolutions.mark_late_resolution'], null),
  ('trigger', 'tracker', array[
    'epochs.mark_late_proof', 'journals.announce_days_again', 'listening.mark_heard_again', 'listening.mark_late_end',
    'listening.mark_late_listening',
    'process_life.announce_days_again', 'trades.append_only', 'wanted.mark_late_end', 'wanted.mark_late_wish'], null),
  ('trigger', 'tracker', array['trades.append_only_rows'], 'r'),
  ('foreign key', 'public', array[
    'connection_events.connection_events_journal_key_fkey', 'rejected_messages.rejected_messages_journal_key_fkey'], null),
  ('foreign key', 'tracker', array[
    'coverage_ranges.coverage_ranges_journal_key_fkey', 'epochs.epochs_journal_key_fkey',
    'journal_progress.journal_progress_journal_key_fkey', 'listening.listening_journal_key_fkey',
    'process_life.process_life_journal_key_fkey', 'wanted.wanted_journal_key_fkey'], null)),
trades (relkind) as materialized (
  select c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'tracker' and c.relname = 'trades')
select m.kind, m.place || '.' || named.name, c.oid is not null,
       coalesce(case
         when m.kind = 'table' then c.relkind in ('r', 'p')
         when m.kind = 'view' then c.relkind = 'v'
         when m.kind = 'sequence' then c.relkind = 'S'
         when m.kind = 'index' then i.indisvalid
         when m.kind = 'unique index' then i.indisvalid and i.indisunique
         when m.kind = 'function' then exists (
           select from pg_proc p where p.proname = named.name and p.pronamespace = n.oid)
         when m.kind = 'trigger' then exists (
           select from pg_trigger t where t.tgrelid = o.oid and t.tgname = named.own)
           and not exists (
             select from pg_inherits h
             where h.inhparent = o.oid and o.relkind = 'p' and not exists (
               select from pg_trigger t where t.tgrelid = h.inhrelid and t.tgname = named.own))
         when m.kind = 'foreign key' then exists (
           select from pg_constraint f where f.conrelid = o.oid and f.conname = named.own and f.contype = 'f')
       end, false)
from made m
cross join lateral (select u.name, split_part(u.name, '.', 1) as owner, split_part(u.name, '.', 2) as own
                    from unnest(m.names) u (name)) named
left join pg_namespace n on n.nspname = m.place
left join pg_class c on c.relnamespace = n.oid and c.relname = named.name
left join pg_class o on o.relnamespace = n.oid and o.relname = named.owner and named.own <> ''
left join pg_index i on i.indexrelid = c.oid
where m.trades is null or m.trades = (select relkind from trades)
