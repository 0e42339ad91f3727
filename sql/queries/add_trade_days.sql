-- Makes the partitions of days, where they are not there. Parameters: days (date[]). Rows: one for each day.
select tracker.add_trade_day(day) from unnest(%(days)s::date[]) as d (day) order by day
