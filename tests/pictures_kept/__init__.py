"""Pictures that the history keeps: whole or not at all, room for others, whoever dies."""
