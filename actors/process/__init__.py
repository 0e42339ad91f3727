"""The operating system: logs, signals, systemd, the garbage collector."""
