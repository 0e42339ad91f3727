-- Lets a transaction see what another one sees. It is filled (queries.filled): the name can be no parameter.
-- Values: name (text, of select_dataset_snapshot). Rows: none.
set transaction snapshot {name}
