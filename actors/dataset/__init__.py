"""The data as files and frames, for people who train models."""
