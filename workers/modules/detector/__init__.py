"""The module `detector`: finds objects with a trained model."""
