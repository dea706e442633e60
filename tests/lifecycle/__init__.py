"""Starting, reloading, following, ending."""
