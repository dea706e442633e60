"""For people: a page a file, its template in `templates`."""
