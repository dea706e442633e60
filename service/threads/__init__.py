"""Connections that a thread has: one request after the other."""
