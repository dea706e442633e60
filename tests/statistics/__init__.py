"""Sums over quarters of an hour, shifts, and the page that shows them: right, and what is unknown is said."""
