"""A Polymarket to run against: feed, Gamma, CLOB, Data API, chain, faults, and a ledger."""
