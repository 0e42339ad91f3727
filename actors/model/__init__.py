"""Values that pass between packages."""
