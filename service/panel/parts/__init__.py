"""The page Parts: frames of the history to look through, one frame with all that is known of it, deciding."""
