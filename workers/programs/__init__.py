"""A project in a process of its own, for the command line: what `check` and `replay` start."""
