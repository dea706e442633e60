"""Bytes become pixels: (h, w) grey or (h, w, 3) BGR, uint8."""
