"""A project tried on a folder."""
