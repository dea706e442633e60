"""Several frames show one part: a process joins them, and a part has a verdict once all of its views are there."""
