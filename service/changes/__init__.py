"""Who changed what, from where, and when: an append-only log in the state folder."""
