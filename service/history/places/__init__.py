"""Where the history may be kept, and how each such place is opened."""
