"""What user code cannot do to others."""
