"""Connections that no thread has: they wait in a front's main loop, each with a deadline."""
