"""What tests start, draw and ask with."""
