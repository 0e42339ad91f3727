"""The audit: asks witnesses that share nothing with the feed whether a trade is missing."""
