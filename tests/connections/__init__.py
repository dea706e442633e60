"""Connections that wait."""
