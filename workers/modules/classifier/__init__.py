"""The module `classifier`: says by a trained model what a picture shows."""
