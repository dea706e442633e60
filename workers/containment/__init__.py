"""What user code may take, print and leave behind."""
