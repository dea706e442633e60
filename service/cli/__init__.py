"""The command line: `framemill ...`. One file per command; each lies in commands."""
