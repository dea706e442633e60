"""What is told of user code that fails, hangs or takes too much, by a process that may say nothing more."""
