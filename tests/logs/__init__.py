"""Ids of requests, and their lines in a log."""
