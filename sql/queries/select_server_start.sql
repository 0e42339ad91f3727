-- Returns when the server was started. A copy of a server has all of its numbers, but was not started within
-- the same microsecond. Every role may ask, unless that was revoked.
-- Rows: one: microseconds since 1970 (bigint).
select (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint
