"""The schema of the database: its migrations, what they make, who may apply them and when."""
