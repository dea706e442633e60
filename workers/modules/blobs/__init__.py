"""The module `blobs`: pieces of the picture that are darker or brighter than the rest, by area and shape."""
