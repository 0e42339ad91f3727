"""`tracker-export`: a release of the data as Parquet files, and its check."""
