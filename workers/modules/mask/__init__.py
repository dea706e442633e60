"""The module `mask`: what lies outside of the parts that count is painted over."""
