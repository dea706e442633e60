"""Workers live and die: asked for, ready, at work, lost, replaced."""
