-- Announces a day, so that what changes it from now on is marked. Parameters: day. Rows: none.
insert into tracker.computed_days (day) values (%(day)s) on conflict do nothing
