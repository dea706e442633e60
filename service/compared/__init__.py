"""What one version or run says of the same pictures that another does not."""
