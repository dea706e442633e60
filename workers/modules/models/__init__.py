"""What modules with a trained model share: how it is loaded and asked, what it is shown, and how its boxes are read."""
