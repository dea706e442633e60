"""What became of each frame, kept in a database: written by one recorder, read by whoever asks."""
