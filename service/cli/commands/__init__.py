"""The commands of `framemill`, one file each."""
