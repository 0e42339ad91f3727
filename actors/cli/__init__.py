"""The programs: tracker, tracker-status, the demo."""
