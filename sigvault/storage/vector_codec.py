"""Vectors and local features as bytes and back."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import VaultDamaged
from sigvault.storage.tables import LocalEncoding, VectorEncoding

_DTYPES: dict[VectorEncoding, np.dtype[np.floating]] = {
    VectorEncoding.FLOAT32: np.dtype("<f4"),
    VectorEncoding.FLOAT16: np.dtype("<f2"),
}


_SHORT = 64
"""Bytes of a grid up to which leaving cells out takes longer than it is worth."""


def encode_vector(vector: npt.NDArray[np.float32], encoding: VectorEncoding) -> bytes:
    """A vector float32 (D,) as little-endian bytes; 16 bits cost up to 5e-4 of a component."""
    return vector.astype(_DTYPES[encoding]).tobytes()


def encode_vectors(
    vectors: Sequence[npt.NDArray[np.float32]], encoding: VectorEncoding
) -> list[bytes]:
    """Many vectors float32 (D,) at once; see `encode_vector`."""
    joined = np.stack(vectors).astype(_DTYPES[encoding]).tobytes()
    size = len(joined) // len(vectors)
    return [joined[start : start + size] for start in range(0, len(joined), size)]


def decode_vector(
    content: bytes, encoding: VectorEncoding, dimension: int
) -> npt.NDArray[np.float32]:
    """The vector float32 (D,) that `encode_vector` wrote.

    Raises:
        VaultDamaged: If the bytes don't hold D components.
    """
    dtype = _DTYPES[encoding]
    if len(content) != dimension * dtype.itemsize:
        raise VaultDamaged(
            f"a stored vector has {len(content)} bytes, not {dimension * dtype.itemsize}: "
            "restore the vault from a backup"
        )
    return np.frombuffer(content, dtype).astype(np.float32)


def decode_vectors(
    contents: Sequence[bytes], encoding: VectorEncoding, dimension: int
) -> npt.NDArray[np.float32]:
    """Many vectors float32 (N, D) at once; see `decode_vector`.

    Raises:
        VaultDamaged: If the bytes of one don't hold D components.
    """
    dtype = _DTYPES[encoding]
    size = dimension * dtype.itemsize
    for content in contents:
        if len(content) != size:
            return np.stack([decode_vector(each, encoding, dimension) for each in contents])
    joined = np.frombuffer(b"".join(contents), dtype)
    return joined.reshape(len(contents), dimension).astype(np.float32)


def encode_local(local: npt.NDArray[np.int8]) -> tuple[LocalEncoding, bytes]:
    """Local features int8 (..., rows, columns, C) as bytes: the inked cells where that is shorter.

    Zlib would make these a fifth shorter still, and reading them several times as slow.
    """
    if local.size <= _SHORT:
        return LocalEncoding.INT8, local.tobytes()
    cells = local.reshape(-1, local.shape[-1])
    inked = cells.any(axis=-1)
    packed = np.packbits(inked).tobytes() + cells[inked].tobytes()
    if len(packed) < local.size:
        return LocalEncoding.INT8_INKED, packed
    return LocalEncoding.INT8, local.tobytes()


def decode_local(
    content: bytes, encoding: LocalEncoding, shape: Sequence[int]
) -> npt.NDArray[np.int8]:
    """The local features int8 (..., rows, columns, C) that `encode_local` wrote.

    Raises:
        VaultDamaged: If the bytes don't fill the shape.
    """
    if encoding is LocalEncoding.INT8_INKED:
        return _decode_inked(content, shape)
    size = math.prod(shape)
    try:
        # One byte more than fits is enough to tell that there are too many.
        plain = (
            zlib.decompressobj().decompress(content, size + 1)
            if encoding is LocalEncoding.INT8_ZLIB
            else content
        )
    except zlib.error as error:
        raise VaultDamaged(
            f"stored local features can't be unpacked ({error}): restore the vault from a backup"
        ) from error
    if len(plain) != size:
        raise _unfilled(shape)
    return np.frombuffer(plain, np.int8).reshape(tuple(shape))


def decode_locals(
    contents: Sequence[bytes], encoding: LocalEncoding, shape: Sequence[int]
) -> npt.NDArray[np.int8]:
    """Local features int8 (N, ..., rows, columns, C) of one encoding and shape, all at once.

    See `decode_local`.

    Raises:
        VaultDamaged: If the bytes of one don't fill the shape.
    """
    together = None
    if encoding is LocalEncoding.INT8_INKED:
        together = _decode_inked_together(contents, shape)
    elif encoding is LocalEncoding.INT8 and all(map(math.prod(shape).__eq__, map(len, contents))):
        together = np.frombuffer(b"".join(contents), np.int8)
    if together is None:  # or what is wrong with which of them
        return np.stack([decode_local(content, encoding, shape) for content in contents])
    return together.reshape(len(contents), *shape)


def _decode_inked_together(
    contents: Sequence[bytes], shape: Sequence[int]
) -> npt.NDArray[np.int8] | None:
    """The cells int8 (N cells, C) of several; None where one doesn't fill the shape."""
    if len(shape) < 2 or min(shape) < 1:
        return None
    cells, channels = math.prod(shape[:-1]), shape[-1]
    end = math.ceil(cells / 8)
    marks = b"".join([content[:end] for content in contents])
    if len(marks) != end * len(contents):
        return None
    bits = np.unpackbits(np.frombuffer(marks, np.uint8).reshape(-1, end), axis=1)
    sizes = (end + channels * bits.sum(axis=1, dtype=np.int64)).tolist()
    if sizes != list(map(len, contents)) or bits[:, cells:].any():
        return None
    local = np.zeros((cells * len(contents), channels), np.int8)
    inked = np.frombuffer(b"".join([content[end:] for content in contents]), np.int8)
    local[np.flatnonzero(bits[:, :cells])] = inked.reshape(-1, channels)
    return local


def _decode_inked(content: bytes, shape: Sequence[int]) -> npt.NDArray[np.int8]:
    if len(shape) < 2 or min(shape) < 1:
        raise _unfilled(shape)
    cells, channels = math.prod(shape[:-1]), shape[-1]
    end = math.ceil(cells / 8)
    bits = np.unpackbits(np.frombuffer(content[:end], np.uint8))
    places = np.flatnonzero(bits)
    too_far = len(places) and places[-1] >= cells
    if len(content) != end + len(places) * channels or too_far:
        raise _unfilled(shape)
    local = np.zeros((cells, channels), np.int8)
    local[places] = np.frombuffer(content, np.int8, offset=end).reshape(-1, channels)
    return local.reshape(tuple(shape))


def _unfilled(shape: Sequence[int]) -> VaultDamaged:
    return VaultDamaged(
        f"stored local features don't fill {list(shape)}: restore the vault from a backup"
    )
