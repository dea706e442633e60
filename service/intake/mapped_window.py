"""Copying from a mapped file of somebody else's, though its owner may truncate it meanwhile.

To read a mapping beyond its file's end is a SIGBUS, which ends a process. Compositors map what their clients may
truncate, too, and bear it: libwayland's `wl_shm_buffer_begin_access` and KWin's buffers of clients handle the signal by
putting empty memory where the file was, and refuse what was read. So does `Window`. Any other SIGBUS goes to whoever
handled it before.

The handler is Python that runs where an instruction failed. That is sound here and only here: nobody reads a window but
`memmove`, which ctypes calls without the interpreter's lock, and which holds no lock of its own.
"""

from __future__ import annotations

import ctypes
import mmap
import signal
import threading
from dataclasses import dataclass
from typing import Any, ClassVar

_WRITABLE = mmap.PROT_READ | mmap.PROT_WRITE
_MAP_FIXED = 0x10  # <asm-generic/mman-common.h>
_IN_ITS_PLACE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED
_SA_SIGINFO = 4


class _SigInfo(ctypes.Structure):
    """The start of `siginfo_t`, see sigaction(2)."""

    _fields_: ClassVar = [
        ("signo", ctypes.c_int),
        ("errno", ctypes.c_int),
        ("code", ctypes.c_int),
        ("address", ctypes.c_void_p),
    ]


class _SigAction(ctypes.Structure):
    """`struct sigaction` of the C libraries on Linux with 64 bits."""

    _fields_: ClassVar = [
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ubyte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]


@dataclass(slots=True)
class _Range:
    """Where a window lies in our memory, and whether its file is not behind it any more."""

    address: int
    length: int
    is_torn: bool = False


_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_ranges: dict[int, _Range] = {}
_kept_alive: list[Any] = []
_before = _SigAction()
_installing = threading.Lock()


class Window:
    """The first `length` bytes of a file, mapped to be copied from; unmapped when nobody has it any more."""

    def __init__(self, fd: int, length: int) -> None:
        """Map them; raises OSError where there can be no mapping or no handler."""
        _handle_bus_errors()
        # ctypes tells the address of writable memory only; private memory that nobody writes to shows the file's pages
        try:
            self._pages = mmap.mmap(fd, length, mmap.MAP_PRIVATE, _WRITABLE)
        except ValueError as error:  # the file is shorter
            raise OSError(str(error)) from None
        self._range = _Range(ctypes.addressof(ctypes.c_char.from_buffer(self._pages)), length)
        _ranges[self._range.address] = self._range

    def __del__(self) -> None:
        """Forget where it was before something else can be there."""
        if hasattr(self, "_range"):
            _ranges.pop(self._range.address, None)

    def copy_to(self, area: memoryview) -> bool:
        """Fill `area`, not longer than the window, with its start; returns whether the file was behind it all the time.

        Once it was not, it never is again.
        """
        if len(area) > self._range.length:
            raise ValueError(f"{len(area)} bytes are wanted, the window has {self._range.length}")
        ctypes.memmove(ctypes.addressof(ctypes.c_char.from_buffer(area)), self._range.address, len(area))
        return not self._range.is_torn


def _handle_bus_errors() -> None:
    with _installing:
        if _kept_alive:
            return
        kind = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.POINTER(_SigInfo), ctypes.c_void_p)
        try:
            handler = kind(_on_bus_error)
        except MemoryError:  # where the system allows no code that is made while a program runs
            raise OSError("there can be no handler for SIGBUS") from None
        action = _SigAction(handler=ctypes.cast(handler, ctypes.c_void_p), flags=_SA_SIGINFO)
        if _libc.sigaction(signal.SIGBUS, ctypes.byref(action), ctypes.byref(_before)):
            raise OSError(ctypes.get_errno(), "sigaction failed")
        _kept_alive.append(handler)


def _on_bus_error(_signo: int, info: Any, _context: int | None) -> None:
    """Put empty memory into the place of the window that was read, so that the copy goes on to its end."""
    address = info.contents.address
    for one in list(_ranges.values()):
        if one.address <= address < one.address + one.length:
            one.is_torn = True
            if _libc.mmap(one.address, one.length, _WRITABLE, _IN_ITS_PLACE, -1, 0) == one.address:
                return
    _libc.sigaction(signal.SIGBUS, ctypes.byref(_before), None)
