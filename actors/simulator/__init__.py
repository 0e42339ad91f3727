"""A Polymarket to run against: feed, Gamma, CLOB, Data API, chain, faults, and a ledger.

It judges the tracker, so it shares no code with it. docs/reference/simulator.md is for
its users; this is the map of the house:

main        starts a world, says where it is, ends it cleanly    (options)
world       everything behind the doors, and the two clocks
site        the doors: WebSocket and HTTP on one port            (admin: the back door)
exchange    each turn: births, trades, noise                     (calendar: lives of markets)
channel     who is subscribed to what, and the rules of talking  (connection, frame, event)
universe    all markets                                          (market, life, identity, trade)
listing     Gamma's listings                                     (gamma, clob, data_api, chain)
trouble     brings faults                                        (fault, garbage)
ledger      what was really sent and decided                     (judge: against a database)
replay      recorded payloads instead of made-up ones            (recording)

The life of one trade: `trade.Tape` draws and numbers it, `ledger` gets its
line, `channel` queues its frame for everyone who hears its token; at the end
of the turn the ledger is written first, then the sockets.
"""
