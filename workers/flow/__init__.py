"""A project's file, and its modules in their order."""
