"""Sockets and bytes: the reactor, TLS, the handshake, the frame skimmer."""
