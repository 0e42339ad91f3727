"""Decisions: no socket, file, thread, clock, actor library or driver in here."""
