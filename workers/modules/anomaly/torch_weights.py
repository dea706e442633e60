"""Reads weights that torch has saved, without torch, and runs nothing of what the file says: names of arrays, no more.

It is the form before the zip: three small pickles, then the pickle of the weights, the keys of their storages, and each
storage as its number of values and its bytes.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_TYPES: dict[str, Any] = {"FloatStorage": np.float32, "LongStorage": np.int64}


class _Storage(NamedTuple):
    """Where a tensor's values are, and of which kind."""

    key: str
    type: str


class _Tensor(NamedTuple):
    """A part of a storage; `size` and `strides` are in values."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]


class _Weights(pickle.Unpickler):
    """Knows the four names that weights need; anything else is refused, so no code of the file's choice can run."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Callable[..., Any] | str] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, size, strides, *_: _Tensor(
                storage, offset, size, strides
            ),
            **{("torch", each): each for each in _TYPES},
        }
        if (module, name) not in known:
            msg = f"it names {module}.{name}, which no weights need"
            raise ValueError(msg)
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        return _Storage(str(pid[2]), str(pid[1]))


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Return the weights in `path` by names, of any shape (1-D too); raises ValueError where it has others."""
    try:
        with path.open("rb") as file:
            if _Weights(file).load() != _MAGIC:
                msg = "it does not begin as weights of torch do"
                raise ValueError(msg)
            _Weights(file).load()  # version
            _Weights(file).load()  # sizes of C's types
            tensors = _Weights(file).load()
            kinds = {each.storage.key: each.storage.type for each in tensors.values()}
            stored = {key: _values(file, kinds[key]) for key in _Weights(file).load()}
        return {name: _array(each, stored[each.storage.key]) for name, each in tensors.items()}
    except (pickle.UnpicklingError, EOFError, struct.error, KeyError, AttributeError, IndexError, TypeError) as error:
        msg = f"it holds no weights of torch: {type(error).__name__}: {error}"
        raise ValueError(msg) from None


def _values(file: BinaryIO, kind: str) -> NDArray[Any]:
    (count,) = struct.unpack("<q", file.read(8))
    of = np.dtype(_TYPES[kind])
    content = file.read(count * of.itemsize) if 0 <= count < 1 << 32 else b""
    if len(content) != count * of.itemsize:
        msg = "it ends too early"
        raise ValueError(msg)
    return np.frombuffer(content, of)


def _array(tensor: _Tensor, values: NDArray[Any]) -> NDArray[Any]:
    """Return the tensor's values in its shape; they may lie in the storage in any order, but not outside of it."""
    last = tensor.offset + sum((side - 1) * stride for side, stride in zip(tensor.size, tensor.strides, strict=True))
    if min((tensor.offset, *tensor.strides, *tensor.size)) < 0 or (0 not in tensor.size and last >= values.size):
        msg = "it has values outside of what is stored"
        raise ValueError(msg)
    strides = [each * values.itemsize for each in tensor.strides]
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.size, strides).copy()
