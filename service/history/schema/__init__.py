"""The tables of the history, in words that SQLite and PostgreSQL both understand."""
