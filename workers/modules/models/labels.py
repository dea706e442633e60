"""Names of classes: the options', else the model's, else their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from workers.errors import ProjectInvalid
from workers.modules.project_files import meant

if TYPE_CHECKING:
    from workers.modules.models.metadata import Metadata
    from workers.modules.models.options import ModelOptions


class Labels:
    """The names of a model's classes by their numbers; `count` is 0 where nobody has said how many there are."""

    def __init__(self, options: ModelOptions, metadata: Metadata) -> None:
        self._names = dict(enumerate(options.labels)) if options.labels else dict(metadata.names)
        self.count = max(self._names, default=-1) + 1

    def of(self, number: int) -> str:
        """Return the name of a class; one without is called by its number."""
        return self._names.get(number) or str(number)

    def numbers_of(self, names: Iterable[str]) -> set[int]:
        """Return the numbers of the classes with these names, or numbers written as names."""
        wanted = set(names)
        numbers = {number for number, name in self._names.items() if name in wanted}
        return numbers | {int(name) for name in wanted if name.isdecimal() and int(name) not in self._names}

    def check(self, key: str, wanted: Iterable[str] | None) -> None:
        """Raise ProjectInvalid where an option asks for a name that no class has."""
        known = list(self._names.values())
        for name in wanted or ():
            if known and name not in known:
                names = ", ".join(known[:50])
                msg = f"{key}: has {name!r}, which is no label of the model; it has {names}{meant(name, known)}"
                raise ProjectInvalid(msg)
