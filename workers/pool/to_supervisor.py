"""What a front tells the supervisor."""

from __future__ import annotations

import os


class SupervisorLink:
    """The front's end of the socket to the supervisor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say_ready(self, front: int) -> None:
        """This front can take requests."""
        os.write(self._fd, f"ready {front}".encode())

    def ask_to_stop(self) -> None:
        """End the whole server."""
        os.write(self._fd, b"stop")

    def ask_to_reload(self) -> None:
        """Load the project anew."""
        os.write(self._fd, b"reload")
