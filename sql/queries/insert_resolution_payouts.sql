-- Stores what each token pays by resolutions that were recorded in this transaction. A name that these tell and
-- that is not the stored one is proven by their sources: the tokens take it over.
-- Parameters: resolutions (JSON array of Resolution, each condition_id once). Rows: none.
with given as (
  select r.condition_id, t.token_id, t.outcome, t.payout
  from jsonb_to_recordset(%(resolutions)s::jsonb) as r (condition_id text, by_token jsonb)
  cross join lateral jsonb_to_recordset(r.by_token) as t (token_id text, outcome text, payout numeric)
), renamed as (
  update public.assets a set outcome = g.outcome from given g
  where a.asset_key = any (array(
      select known.asset_key from given cross join lateral (
        select k.asset_key from public.assets k where k.token_id = given.token_id
          and k.outcome is distinct from given.outcome limit 1) as known
      where given.outcome is not null))
    and a.token_id = g.token_id
)
insert into public.resolution_payouts (condition_id, token_id, outcome, payout)
select condition_id, token_id, outcome, payout from given order by condition_id, token_id
on conflict do nothing
