"""Status document, metrics and reasons, made from the reports of all actors."""
