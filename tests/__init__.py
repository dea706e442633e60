"""The tests, in rooms by what they promise; rooms.txt has them in the order in which they import each other."""

import os

# before numpy is imported: as in workers; two threads of it that share a busy core take ten times as long as one
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
