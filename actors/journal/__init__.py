"""The journal on disk: everything received, until the database has it."""
