"""PostgreSQL: transactions, COPY, coverage rows, migrations, the embedded server."""
