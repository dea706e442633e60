"""Good pictures, and defects drawn into them."""
