"""The tests, in rooms by what they promise; rooms.txt has them in the order in which they import each other."""
