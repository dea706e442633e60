"""A camera posts a frame and gets its answer: the story."""
