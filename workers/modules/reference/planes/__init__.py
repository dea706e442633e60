"""Planes of an image and of its golden image: laid on each other, as bright, and where they differ."""
