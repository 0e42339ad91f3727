"""The HTTP sources of the simulated Polymarket: Gamma, CLOB, Data API and chain.

gamma, listing  Gamma's market object; its listings and look-ups
event           what markets belong to, and their fees
times           the two formats of times
clob            one market by condition, and books
data_api        resolutions, and tokens with their slots
chain           JSON-RPC calls to the conditional tokens contract
orders          the three orders of the tokens of a market, and how they can differ
oddities        how a source describes one market wrongly
finality        when each source shows the final outcome of a market
recorded_calls  HTTP calls that were recorded, and their answers
"""
