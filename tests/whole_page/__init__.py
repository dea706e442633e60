"""The whole page before one server that has everything on."""
