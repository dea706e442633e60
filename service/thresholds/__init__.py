"""Thresholds of the version that runs: what they are, what another would have said, and how one is changed."""
