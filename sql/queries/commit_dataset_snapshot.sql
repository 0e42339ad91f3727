-- Ends the transaction in which a part of a dataset was read.
-- Rows: none.
commit
