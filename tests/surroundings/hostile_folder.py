"""A folder of another's, full of modules that would be ours or Python's if they were found; each notes that it was."""

from __future__ import annotations

from pathlib import Path

_NAMES = (
    "queue", "random", "re", "tempfile", "selectors", "logging", "json", "subprocess", "ssl", "hashlib",  # Python's
    "sitecustomize", "usercustomize",  # which it imports by itself
    "workers", "service", "falcon", "gunicorn", "click", "pydantic", "numpy", "cv2", "httpx", "orjson", "jinja2",
)  # fmt: skip


class HostileFolder:
    """Write it; `found` says which of its modules somebody has imported."""

    def __init__(self, folder: Path, *, without: tuple[str, ...] = ()) -> None:
        self.path = folder
        self._notes = folder / "notes"
        for name in _NAMES:
            if name not in without:
                module = folder / name / "__init__.py" if name == "service" else folder / f"{name}.py"
                module.parent.mkdir(parents=True, exist_ok=True)
                module.write_text(f"with open({str(self._notes)!r}, 'a') as notes: notes.write('{name} ')\n")
        (folder / "user" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)

    @property
    def found(self) -> str:
        """The names of what was imported; nothing is right."""
        return self._notes.read_text() if self._notes.exists() else ""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead Python here, or make it another one."""
        return {
            "PYTHONPATH": str(self.path),
            "PYTHONSTARTUP": str(self.path / "queue.py"),
            "PYTHONHOME": str(self.path),
            "PYTHONUSERBASE": str(self.path / "user"),
            "PYTHONPLATLIBDIR": "nowhere",
            "PYTHONWARNINGS": "error",
            "PYTHONDEVMODE": "1",
            "PYTHONOPTIMIZE": "2",
            "PYTHONIOENCODING": "ascii",
            "PYTHONINSPECT": "1",
            "PYTHONTRACEMALLOC": "5",
            "PYTHONBREAKPOINT": "queue.Queue",
            "PYTHONHASHSEED": "no number",
            "PYTHONMALLOC": "no such",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
        }
