"""The tracker of Polymarket."""

__version__ = "0.1.0"
