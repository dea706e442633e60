"""gunicorn's own objects, made ours: bytes between a client's socket and a slot."""
