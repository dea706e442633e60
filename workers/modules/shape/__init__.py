"""The module `shape`: finds a taught outline by the directions of its edges, at any angle and scale."""
