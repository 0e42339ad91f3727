-- Returns the tokens of markets.
-- Parameters: conditions (text[]). Rows: condition_id, token_id, outcome, outcome_index; in order.
select a.condition_id, a.token_id, a.outcome, a.outcome_index from public.assets a
where a.condition_id = any (%(conditions)s::text[])
order by a.condition_id, a.outcome_index nulls last, a.token_id collate "C"
