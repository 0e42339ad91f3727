-- Returns how many rejected messages are not taken in yet, whether they may be read now or not.
-- Parameters: since (timestamptz: received then or later). Rows: one.
select count(*) from public.rejected_messages where taken_in_at is null and received_at >= %(since)s
