"""Polymarket: the market channel, and the HTTP sources."""
