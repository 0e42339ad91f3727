"""One run of the tracker: start, clock, stop."""
