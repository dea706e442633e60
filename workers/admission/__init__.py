"""Which frames get in, and who is next: one that cannot be done in time is refused before it is begun."""
