"""The module `codes`: reads 1D and 2D codes, however they lie, and judges what they say."""
