"""Who asked: the ids by which a request is found again elsewhere, and one line of each in a log."""
