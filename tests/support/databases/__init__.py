"""Databases that tests write to, real ones."""
