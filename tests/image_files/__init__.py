"""Image files made byte by byte, and all their kinds."""
