"""What the recorder writes, and what it lets go of again."""
