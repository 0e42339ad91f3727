"""Sources that share nothing with the feed, and list what was traded."""
