"""Kept pictures: which ones, as which files, how they are written beside the history, and which go first."""
