-- Why: a label must keep the mapping with which it was decided: what each token paid is recorded with the resolution,
--      by token, and a later listing cannot move it. What proves a resolution says how it names the token. Sources
--      that agree later are kept. A contradiction has an end, and is one row while it is open, whoever repeats it and
--      from whichever side. The markets without a resolution are remembered, so that none is forgotten after a restart.
--      Of resolutions that are stored the winner is the token that was recorded, whatever the order of its
--      market's tokens is now; the name of another token that is not certain any more is NULL.
--      Contradictions of before: those between sources end with the resolution on which these agreed ('resolved');
--      of those that are left the first of each pair stays open ('repeats an earlier row'). None is deleted.
-- Locks: ACCESS EXCLUSIVE on resolutions, resolution_observations and resolution_conflicts, and no tracker writes
--      meanwhile. Takes: about 40 s a million markets that are resolved (measured on two busy processors), and for
--      each of them 700 bytes of disk.
-- Previous versions: must not write.
alter table resolution_observations
  add column naming text not null default 'token id',   -- how it names the token that pays
  add column names jsonb;                               -- {token id: name of its outcome}; NULL: it tells none

alter table resolutions drop constraint resolutions_check1;
alter table resolutions add constraint resolutions_check1 check (winning_outcome is null or kind = 'winner');

create table resolution_payouts (
  condition_id text not null,
  token_id     text not null,
  outcome      text,                -- its name then; NULL: the sources disagreed about it
  payout       numeric not null check (payout >= 0 and payout <= 1)
);
insert into resolution_payouts (condition_id, token_id, outcome, payout)
select r.condition_id, r.winning_token_id, r.winning_outcome, 1 from resolutions r where r.kind = 'winner'
union all
select r.condition_id, a.token_id,
       case when r.kind = 'split' or a.outcome <> r.winning_outcome then a.outcome end,
       case r.kind when 'split' then r.payouts[1] else 0 end
from resolutions r join assets a using (condition_id)
where a.outcome_index is not null and a.token_id is distinct from r.winning_token_id;
alter table resolution_payouts add primary key (condition_id, token_id);
create trigger append_only before update or delete or truncate on resolution_payouts
  for each statement execute function refuse_change();

create table resolution_confirmations (
  condition_id text not null,
  source       text not null,
  confirmed_at timestamptz not null,    -- when its answer was observed
  recorded_at  timestamptz not null default now(),
  primary key (condition_id, source)
);
create trigger append_only before update or delete or truncate on resolution_confirmations
  for each statement execute function refuse_change();

alter table resolution_conflicts
  add column kind text not null default 'outcome' check (kind in ('outcome', 'mapping')),
  add column cleared_at timestamptz,
  add column cleared_by text,
  add constraint resolution_conflicts_check check ((cleared_by is null) = (cleared_at is null));
alter table resolution_conflicts drop constraint resolution_conflicts_pkey;
alter table resolution_conflicts add primary key (condition_id, kind, source, detected_at);
update resolution_conflicts c set cleared_at = r.recorded_at, cleared_by = 'resolved'
from resolutions r
where r.condition_id = c.condition_id and r.recorded_at >= c.detected_at
  and c.recorded <> coalesce('winner ' || r.winning_token_id, r.kind);
update resolution_conflicts c set cleared_at = c.detected_at, cleared_by = 'repeats an earlier row'
where c.cleared_at is null and exists (
  select from resolution_conflicts e
  where e.condition_id = c.condition_id and e.cleared_at is null
    and (e.detected_at, e.source) < (c.detected_at, c.source)
    and least(e.recorded, e.observed) = least(c.recorded, c.observed)
    and greatest(e.recorded, e.observed) = greatest(c.recorded, c.observed));
drop index resolution_conflicts_once;
-- An open contradiction is one row, told from either side and by any source.
create unique index resolution_conflicts_open
  on resolution_conflicts (condition_id, kind, least(md5(recorded), md5(observed)), greatest(md5(recorded), md5(observed)))
  where cleared_at is null;
create trigger append_only before delete or truncate on resolution_conflicts
  for each statement execute function refuse_change();

create table unresolved (
  condition_id text not null
);
insert into unresolved (condition_id)
select m.condition_id from markets m
where not exists (select from resolutions r where r.condition_id = m.condition_id)
union
select a.condition_id from assets a
where a.condition_id is not null
  and not exists (select from markets m where m.condition_id = a.condition_id)
  and not exists (select from resolutions r where r.condition_id = a.condition_id);
alter table unresolved add primary key (condition_id);
-- What is open is found through it.
drop index markets_open;

create or replace view unresolved_markets as
select m.condition_id,
       case when m.end_date <= now() then m.end_date else stands.observed_at end as ended_at,
       coalesce(stands.verdict, 'ended') as state,
       coalesce(said.words, 'not asked yet') as reason,
       said.observed_at as last_observed_at
from unresolved u
join markets m using (condition_id)
left join lateral (
  select o.verdict, o.observed_at from resolution_observations o
  where o.condition_id = m.condition_id and o.source = 'tracker'
  order by o.observed_at desc limit 1) stands on true
left join lateral (
  select string_agg(last.source || ': ' || coalesce(nullif(last.reason, ''), last.verdict), '; ' order by last.source)
           as words,
         max(last.observed_at) as observed_at
  from (select distinct on (o.source) o.source, o.verdict, o.reason, o.observed_at
        from resolution_observations o
        where o.condition_id = m.condition_id and o.source <> 'tracker'
        order by o.source, o.observed_at desc) last) said on true
where (m.closed or m.end_date <= now() or stands.verdict <> 'open')
  and not exists (select from resolutions r where r.condition_id = m.condition_id);
