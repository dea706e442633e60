"""How the database came to its present form, step by step: each changes what the one before has left."""
