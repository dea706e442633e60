"""What became of each frame is in the database once, whoever is killed and whatever the disk does."""
