"""A project, its flow and the context of a frame."""
