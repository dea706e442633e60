"""What each module finds."""
