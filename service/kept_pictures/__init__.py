"""Kept pictures over HTTP: as they were kept, and inspected once more by the version that runs."""
