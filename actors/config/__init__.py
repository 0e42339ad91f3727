"""Settings: declared once, read from flags, environment and file."""
