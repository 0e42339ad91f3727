"""The programs `tracker` and `tracker-status`, and the demo."""
