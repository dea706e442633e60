"""Clients of every kind, the well-behaved and the others."""
