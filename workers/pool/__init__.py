"""A frame's way between a front and a worker, and back."""
