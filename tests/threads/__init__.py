"""Connections whose turn it is."""
