"""Between two commits: coverage is settled and counted by day, and what is old goes."""
