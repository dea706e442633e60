"""What runs as `framemill`: `python -I -m service.cli`, and the same without -I.

Python looks for modules in the working folder and where PYTHONPATH says before it looks into its own: a `queue.py` of
another's would be ours. In isolated mode it does neither, so that is what every process of ours runs in. Up to there
only what Python itself has loaded already may be imported.
"""

import os
import sys

if not sys.flags.isolated:
    os.execv(sys.executable, [sys.executable, "-I", *sys.orig_argv[1:]])  # noqa: S606 - ourselves, once more

_INTERRUPTED = 130

try:
    from service.cli.command_line import run

    run()
except KeyboardInterrupt:
    os.write(2, b"framemill: interrupted\n")
    os._exit(_INTERRUPTED)  # at once: what was interrupted need not be whole enough to end in order
