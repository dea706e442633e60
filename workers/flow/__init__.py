"""The flow: what a project asks to be done with each frame."""
