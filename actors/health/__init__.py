"""What everybody reports, made into one status document, metrics and reasons."""
