"""What authors and operators are told of code that raises, and of code that hangs."""
