"""Will it do for my line? What `framemill bench` does."""
