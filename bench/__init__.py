"""Measures the running server from outside; imported by nobody."""
