"""The module `unify`: brings a part to its taught position and rotation."""
