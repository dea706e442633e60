"""How processes of ours are started that are not forks: a Python in isolated mode (`-I`).

It looks for modules neither in the working folder nor where PYTHONPATH says nor among the user's own packages, and no
variable changes how it runs. So nobody else's `queue.py` is taken for Python's, and nobody else's `service` for ours.
"""

from __future__ import annotations

import sys

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""What OpenBLAS and OpenMP are told in the environment of processes that are as many as there are cores."""


def isolated(*arguments: str) -> list[str]:
    """Return the command line of such a Python; `arguments` as Python takes them."""
    return [sys.executable, "-I", *arguments]
