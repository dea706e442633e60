"""The module `parallel`: branches that each see the context as it was before the block."""
