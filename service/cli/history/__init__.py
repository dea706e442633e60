"""What the commands about the history share, and giving back to a project what people decided."""
