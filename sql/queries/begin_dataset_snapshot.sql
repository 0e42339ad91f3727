-- Begins the transaction in which a part of a dataset is read: everything in it is of one moment.
-- Rows: none.
begin isolation level repeatable read, read only
