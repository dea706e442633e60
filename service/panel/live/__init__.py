"""The page Live: what happens now, for who stands at the line."""
