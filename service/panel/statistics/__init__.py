"""The page Statistics: drawings of what came out of a shift, a day or a range, as they are printed, too."""
