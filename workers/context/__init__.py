"""What is known about one frame while modules look at it."""
