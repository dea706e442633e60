"""What the history says of a time: shifts, sums over quarters of an hour, and what is made of them for people."""
