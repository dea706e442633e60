"""How a frame comes in."""
