"""The module `code`: a `main` of the user's own."""
