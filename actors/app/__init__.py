"""One run of the tracker: start, the tick loop, stop."""
