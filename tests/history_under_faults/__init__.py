"""The history while something dies, is full, or is taken over from: what was promised is there, once."""
