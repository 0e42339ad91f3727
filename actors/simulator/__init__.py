"""A simulated Polymarket: market channel, Gamma, CLOB, Data API, chain, faults and a ledger.

The tracker is tested against it, so it shares no code with the tracker. Users read
docs/reference/simulator.md; this is the map of the modules:

main            starts the simulator, prints its addresses, stops it cleanly        (options)
simulation      builds all parts of a run and holds its two clocks
server          WebSocket and HTTP on one port, one event loop                      (admin)
exchange        each turn: new markets, trades, book noise, resolutions
channel         who is subscribed to what, and the rules of the market channel
events          trades and all other events of the channel, as bytes
markets         all markets by token, condition and Gamma id                        (market)
sources         a folder: answers of Gamma, CLOB, Data API and chain
beliefs         what can be false about Polymarket, by name
faults          the grammar of faults                                               (fault_injector)
ledger          what was sent and decided                                           (judge)
replay          recorded payloads instead of generated ones

The path of one trade: `events.TradeGenerator` draws and numbers it, `ledger` gets its line,
`channel` queues its frame for each connection subscribed to its token. At the end of the turn
the ledger is written first, then the sockets.
"""
