"""WriterActor: batches, commits, the way back from the journal."""
