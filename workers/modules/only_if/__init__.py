"""The module `only_if`: the flow goes on only where an expression over the context holds."""
