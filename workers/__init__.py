"""Frames in, results out: memory, pool, supervisor, flow. Knows pixels; knows no HTTP."""
