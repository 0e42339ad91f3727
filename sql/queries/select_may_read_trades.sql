-- Returns whether this role may read the table of trades itself. Rows: one.
select has_table_privilege('tracker.trades', 'select')
