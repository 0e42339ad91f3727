"""Settings: declared once, read from flags, environment, credentials and a file."""
