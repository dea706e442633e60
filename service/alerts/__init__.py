"""What is not as it should be: judged beside the frames, told, and where it was asked for the line is held."""
