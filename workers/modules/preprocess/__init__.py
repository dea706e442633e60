"""The module `preprocess`: the image is cut, turned, scaled or improved before others look at it."""
