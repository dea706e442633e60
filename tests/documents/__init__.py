"""What the documents and the example projects show works as printed."""
