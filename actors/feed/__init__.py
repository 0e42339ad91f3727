"""One WebSocket connection: ConnectionActor, its subscription, coverage and liveness."""
