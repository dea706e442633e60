"""The whole page with everything on: one line, one day of those who work at it."""
