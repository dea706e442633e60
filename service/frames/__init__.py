"""Frames of the history, as people and programs look for them: a page at a time, and all that is known of one."""
