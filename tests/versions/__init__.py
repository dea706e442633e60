"""What runs is what was loaded."""
