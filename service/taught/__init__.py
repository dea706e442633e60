"""A module is taught from the command line: which one, what it has learned in words, and as one page."""
