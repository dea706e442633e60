"""The code installed once more, where a test may change it: an environment of its own that borrows our libraries."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

from tests.support.running import CHECKOUT


def install_copy(folder: Path) -> Path:
    """Copy our packages into a small virtual environment in `folder`; returns its Python.

    They lie in `folder/lib/.../site-packages`, which `code_of` tells.
    """
    code = code_of(folder)
    code.mkdir(parents=True)
    for package in ("service", "workers"):
        shutil.copytree(CHECKOUT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    # folders named in such a file come last, and files like it in there do not count: ours there, for a checkout, too
    (code / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").symlink_to(Path(sys.executable).resolve())
    shutil.copy(CHECKOUT / "deploy" / "bin" / "framemill", folder / "bin" / "framemill")
    return folder / "bin" / "python3"


def code_of(folder: Path) -> Path:
    """Where the packages of such a copy lie."""
    return folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
