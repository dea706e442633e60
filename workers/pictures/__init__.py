"""Rectangles, lines and heat become a PNG."""
