"""One frame done, and the process that does it."""
