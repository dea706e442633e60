"""Builds the C libraries of workers/, each beside its source, when the project is installed or a wheel is made.

The compiler comes from a package (ziglang), for a fresh machine has none, and makes the same code everywhere: for any
x86-64 or aarch64, needing no library but libc. Elsewhere nothing is built, and OpenCV and Python do the work.
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

_FOLDER = Path("workers")
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
            for source in sorted(Path(self.root, _FOLDER).rglob("*.c")):
                library = source.with_name(f"lib{source.stem}.so").relative_to(self.root)
                subprocess.run(
                    (*_COMPILER, f"--target={machine}-linux-gnu", *_FLAGS, "-o", str(library), str(source)),
                    cwd=self.root,
                    env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
                    check=True,
                )
                build_data["artifacts"].append(library.as_posix())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{machine}"
