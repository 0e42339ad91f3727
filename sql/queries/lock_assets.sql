-- Locks the tokens that this transaction may change, in the order of the tokens: those that lack the condition that is
-- given, those of a market that lack anything, and those that are to be locked in any case.
-- Parameters: tokens (JSON array of {token_id, condition_id or null, whole (it is of a market that is stored), always}).
-- Rows: one: how many.
select count(*) from (
  select from public.assets a
  join jsonb_to_recordset(%(tokens)s::jsonb) as g (token_id text, condition_id text, whole boolean, always boolean)
    using (token_id)
  where g.always or (a.condition_id is null and g.condition_id is not null)
     or (g.whole and ((a.condition_id is distinct from g.condition_id) or coalesce(a.outcome, '') = ''
                      or a.outcome_index is null))
  order by token_id for no key update of a) locked
