"""What user code may take, say and leave behind."""
