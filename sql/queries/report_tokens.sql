-- Tells the tokens of a market, in the order of its outcomes.
-- Parameters: market.
-- Rows: token_id, outcome, what it pays or NULL.
select a.token_id, a.outcome, p.payout
from public.assets a left join public.resolution_payouts p using (condition_id, token_id)
where a.condition_id = %(market)s
order by a.outcome_index nulls last, a.asset_key
