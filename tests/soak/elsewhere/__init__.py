"""What runs in environments of their own, beside the project: other servers of models, and what exports models."""
