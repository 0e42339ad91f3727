-- Moves a sequence to a number that was given out, if this role may.
-- Parameters: sequence (name, quoted where need be), to (bigint). Rows: one if it was moved.
select setval(%(sequence)s::regclass, %(to)s) where has_sequence_privilege(%(sequence)s, 'UPDATE')
