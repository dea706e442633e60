"""Rectangles and heat become a PNG."""
