"""The module `segmentation`: finds with a trained model which pixels are what."""
