"""Frames between fronts and workers."""
