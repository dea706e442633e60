"""Bytes on a connection, the odd and the half ones."""
