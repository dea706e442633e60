"""The catalogue: one folder a module, all alike."""
