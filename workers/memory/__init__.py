"""The frame memory: what lies where, whose it is, and who may touch it."""
