"""A simulated Polymarket: feed, Gamma, CLOB, Data API, chain, faults on request, and a ledger.

It judges the tracker, so it shares no code with it. docs/reference/simulator.md is for its
users; this is the map of its modules:

main            starts a simulated exchange, prints its addresses, ends it cleanly  (options)
world           builds everything that the server shows, and holds the two clocks
server          WebSocket and HTTP on one port, one event loop                      (admin)
exchange        each turn: new markets, trades, book noise, resolutions
channel         who is subscribed to what, and the rules of the market channel
events          trades and all other events of the channel, as bytes
markets         all markets                                                         (market)
gamma, sources  answers of Gamma; of CLOB, Data API and chain
faults          the grammar of faults                                               (fault_injector)
ledger          what was really sent and decided                                    (judge)
replay          recorded payloads instead of generated ones

The path of one trade: `events.Tape` draws and numbers it, `ledger` gets its line, `channel`
queues its frame for each connection subscribed to its token; at the end of the turn the ledger
is written first, then the sockets.
"""
