"""Reads a data set from numpy's ``.npz``.

Its size is known before anything is unpacked, and nothing is unpickled.
"""

import ast
from math import prod
from pathlib import Path
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError  # noqa: N812 - it is named in small letters there

import numpy as np

from slipway_runtime.checks import MOST_DATASET_BYTES
from slipway_runtime.tensors import Array

MOST_ARRAYS = 256
MAGIC = b"\x93NUMPY"
MOST_HEADER_BYTES = 64 << 10
KINDS = "fiubUS"


class UnreadableError(Exception):
    """What is wrong with a file of rows."""


def read(path: Path) -> dict[str, Array]:
    """Read all arrays of a file.

    Raises:
        UnreadableError: It is none, too large, or holds what can't be a column.
        OSError: It can't be opened.
    """
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if len(entries) > MOST_ARRAYS or size > MOST_DATASET_BYTES:
                raise UnreadableError(
                    f"it has {len(entries)} arrays of {size} bytes unpacked; the most are "
                    f"{MOST_ARRAYS} of {MOST_DATASET_BYTES} together"
                )
            return {
                entry.filename.removesuffix(".npy"): _array(entry.filename, archive.read(entry))
                for entry in entries
            }
    except (BadZipFile, ZlibError, NotImplementedError, RuntimeError, EOFError) as problem:
        raise UnreadableError(f"it is no file of numpy.savez: {problem}") from None


def _array(name: str, content: bytes) -> Array:
    """Read one array; its header is a Python literal, and is taken for nothing else."""
    if not content.startswith(MAGIC) or len(content) < 12:
        raise UnreadableError(f"{name} is no array of numpy.save")
    wide = content[6] > 1
    start = 12 if wide else 10
    length = int.from_bytes(content[8:start], "little")
    if length > MOST_HEADER_BYTES:
        raise UnreadableError(f"{name} has a header of {length} bytes")
    shape, dtype, fortran = _header(name, content[start : start + length])
    wanted = prod(shape) * dtype.itemsize
    body = content[start + length :]
    if len(body) != wanted:
        raise UnreadableError(
            f"{name} has {len(body)} bytes, its shape {list(shape)} takes {wanted}"
        )
    flat = np.frombuffer(body, dtype)
    array = flat.reshape(shape, order="F" if fortran else "C")
    return _plain(name, np.asarray(array, order="C"))


def _header(name: str, text: bytes) -> tuple[tuple[int, ...], np.dtype[np.generic], bool]:
    try:
        said = ast.literal_eval(text.decode("utf-8", "replace"))
        dtype, shape = np.dtype(said["descr"]), tuple(said["shape"])
        fits = all(isinstance(size, int) and size >= 0 for size in shape)
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise UnreadableError(f"{name} has no header of numpy.save") from None
    if not fits or dtype.kind not in KINDS or not dtype.itemsize:
        raise UnreadableError(
            f"{name} is of dtype {dtype}; save numbers, booleans or strings (dtype 'U')"
        )
    return shape, dtype, bool(said.get("fortran_order"))


def _plain(name: str, array: Array) -> Array:
    """Give numbers the byte order of the wire, and strings the form of BYTES."""
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError:
            raise UnreadableError(f"{name} has strings that are not UTF-8") from None
    if array.dtype.kind == "U":
        return array.astype(object)
    return array.astype(array.dtype.newbyteorder("<"), copy=False)
