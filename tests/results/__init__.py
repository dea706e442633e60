"""What became of each frame is written once, is whole or seen not to be, and waits for nobody who follows."""
