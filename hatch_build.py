"""Builds workers/libbayer.so when the project is installed or a wheel is made.

The compiler comes from a package (ziglang), for a fresh machine has none, and makes the same code everywhere: for any
x86-64 or aarch64, needing no library, not even libc. For other processors nothing is built; OpenCV does the work there.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCE, _LIBRARY = Path("workers", "bayer.c"), Path("workers", "libbayer.so")
_COMPILER = (sys.executable, "-m", "ziglang", "cc")
_FLAGS = ("-O2", "-s", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror")


class BuildHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs a wheel, also one that only points to the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Compile, and say that the wheel is for this kind of machine alone."""
        machine = platform.machine()
        if sys.platform != "linux" or machine not in {"x86_64", "aarch64"}:
            return
        with tempfile.TemporaryDirectory() as cache:
            subprocess.run(
                (*_COMPILER, f"--target={machine}-linux-gnu", *_FLAGS, "-o", str(_LIBRARY), str(_SOURCE)),
                cwd=self.root,
                env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
                check=True,
            )
        build_data["artifacts"].append(_LIBRARY.as_posix())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{machine}"
