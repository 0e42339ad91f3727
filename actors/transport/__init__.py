"""Sockets and bytes: connecting, TLS, the WebSocket handshake, the reactor, the frame skimmer."""
