"""Encoded files, let in or not."""
