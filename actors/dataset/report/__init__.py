"""The report of a day, of a time, or of one market: one HTML file with plots."""
