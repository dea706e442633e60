"""The command line: `framemill ...`. One file per command; which there are is in commands.py."""
