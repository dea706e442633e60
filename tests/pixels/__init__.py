"""Bytes become pixels, and pixels a picture."""
