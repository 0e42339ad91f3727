"""Outgoing connections of all kinds: names, TCP, TLS, all within one deadline."""
