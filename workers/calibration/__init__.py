"""A camera's lens and the plane in front of it: found with a printed target, kept in a file, used to measure in mm."""
