"""Faults, cameras and reports for the worst days."""
