"""What happens now, for pages and machines that look on: read from the rings, sent as server-sent events."""
