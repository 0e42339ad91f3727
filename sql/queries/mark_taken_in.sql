-- Marks rejected messages as taken in. Parameters: keys (message_key[]). Rows: none.
update public.rejected_messages set taken_in_at = now() where message_key = any(%(keys)b::bigint[]) and taken_in_at is null
