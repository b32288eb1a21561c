from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sigvault.domain.embedding import UNIT_NORM_TOLERANCE
from sigvault.domain.errors import VaultDamaged
from sigvault.storage.tables import LocalEncoding, VectorEncoding
from sigvault.storage.vector_codec import (
    decode_local,
    decode_locals,
    decode_vector,
    encode_local,
    encode_vector,
)

shapes = npst.array_shapes(min_dims=3, max_dims=4, max_side=6)
grids = npst.arrays(np.int8, shapes) | npst.arrays(
    np.int8, shapes, elements=st.integers(-127, 127), fill=st.just(0)
)
vectors = npst.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1, 1, width=32))


@given(vectors)
def test_32_bit_vectors_come_back_exactly(vector):
    content = encode_vector(vector, VectorEncoding.FLOAT32)
    assert np.array_equal(decode_vector(content, VectorEncoding.FLOAT32, len(vector)), vector)


@given(vectors.filter(lambda vector: np.linalg.norm(vector) > 1e-3))
def test_16_bit_vectors_take_half_the_room_and_stay_unit_vectors(vector):
    unit = vector / np.linalg.norm(vector)
    content = encode_vector(unit, VectorEncoding.FLOAT16)
    read = decode_vector(content, VectorEncoding.FLOAT16, len(unit))

    assert len(content) == 2 * len(unit)
    assert read.dtype == np.float32
    assert abs(np.linalg.norm(read) - 1) <= UNIT_NORM_TOLERANCE


@given(grids)
def test_local_features_come_back_exactly(grid):
    encoding, content = encode_local(grid)
    read = decode_local(content, encoding, grid.shape)

    assert read.dtype == np.int8
    assert np.array_equal(read, grid)
    assert len(content) <= grid.size


@given(grids, st.integers(1, 4), st.randoms())
def test_many_local_features_are_read_as_one_by_one(grid, count, random):
    many = [grid * np.int8(random.random() < 0.7) for _ in range(count)]
    for encoding in LocalEncoding:
        contents = [pack(each, encoding) for each in many]
        read = decode_locals(contents, encoding, grid.shape)
        assert read.dtype == np.int8
        assert np.array_equal(read, many)


def pack(grid, encoding):
    if encoding is LocalEncoding.INT8_INKED:
        cells = grid.reshape(-1, grid.shape[-1])
        inked = cells.any(axis=-1)
        return np.packbits(inked).tobytes() + cells[inked].tobytes()
    return zlib.compress(grid.tobytes()) if "zlib" in encoding.value else grid.tobytes()


@pytest.mark.parametrize("encoding", [LocalEncoding.INT8, LocalEncoding.INT8_INKED])
@pytest.mark.parametrize("change", [lambda one: one[:-1], lambda one: one + b"x", lambda _: b""])
def test_one_of_many_that_does_not_fill_its_shape_is_damage(encoding, change):
    content = pack(np.full((3, 3, 4), 7, np.int8), encoding)
    with pytest.raises(VaultDamaged):
        decode_locals([content, change(content), content], encoding, (3, 3, 4))


def test_marks_beyond_the_last_cell_are_damage():
    content = pack(np.full((3, 3, 4), 7, np.int8), LocalEncoding.INT8_INKED)
    moved = bytes([content[0], 0b0100_0000]) + content[2:]
    with pytest.raises(VaultDamaged):
        decode_locals([content, moved], LocalEncoding.INT8_INKED, (3, 3, 4))
    with pytest.raises(VaultDamaged):
        decode_locals([content], LocalEncoding.INT8_INKED, (4,))


def test_of_sparse_grids_the_inked_cells_alone_are_kept():
    noise = np.random.default_rng(0).integers(-128, 127, (8, 16, 64), np.int8, endpoint=True)
    sparse = noise * (np.random.default_rng(1).random((8, 16)) < 0.25)[..., None].astype(np.int8)

    assert encode_local(noise)[0] is LocalEncoding.INT8
    encoding, content = encode_local(sparse)
    assert encoding is LocalEncoding.INT8_INKED
    inked = np.count_nonzero(sparse.any(axis=-1))
    assert len(content) == 8 * 16 / 8 + 64 * inked < 0.4 * sparse.size


def test_stored_bytes_of_the_first_version_stay_readable():
    vector = decode_vector(bytes.fromhex("0000803f000000bf"), VectorEncoding.FLOAT32, 2)
    half = decode_vector(bytes.fromhex("003c00b8"), VectorEncoding.FLOAT16, 2)
    plain = decode_local(bytes.fromhex("7f8100ff"), LocalEncoding.INT8, [1, 2, 2])
    packed = decode_local(
        bytes.fromhex("789cab6f6000020005800100"), LocalEncoding.INT8_ZLIB, [1, 2, 3]
    )

    inked = decode_local(bytes.fromhex("407f80"), LocalEncoding.INT8_INKED, [1, 2, 2])

    assert vector.tolist() == half.tolist() == [1.0, -0.5]
    assert inked.tolist() == [[[0, 0], [127, -128]]]
    assert plain.tolist() == [[[127, -127], [0, -1]]]
    assert packed.tolist() == [[[127, -128, 0], [0, 0, 0]]]


@pytest.mark.parametrize("encoding", list(VectorEncoding))
def test_a_vector_of_another_length_is_damage(encoding):
    with pytest.raises(VaultDamaged, match="6 bytes, not"):
        decode_vector(b"\0" * 6, encoding, 2)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"\0" * 5, LocalEncoding.INT8),
        (b"no zlib", LocalEncoding.INT8_ZLIB),
        (zlib.compress(bytes(729)), LocalEncoding.INT8_ZLIB),
        (zlib.compress(bytes(40))[:5], LocalEncoding.INT8_ZLIB),
        (b"", LocalEncoding.INT8_INKED),
        (b"\x80" + b"\1" * 39, LocalEncoding.INT8_INKED),
        (b"\x80" + b"\1" * 41, LocalEncoding.INT8_INKED),
        (b"\x40" + b"\1" * 40, LocalEncoding.INT8_INKED),
    ],
)
def test_local_features_that_do_not_fill_their_shape_are_damage(content, encoding):
    with pytest.raises(VaultDamaged, match="restore the vault"):
        decode_local(content, encoding, [1, 1, 40])


@pytest.mark.parametrize("shape", [[], [4], [0, 4], [2, 0], [2, 2, -1]])
def test_inked_cells_of_a_shape_that_none_has_are_damage(shape):
    with pytest.raises(VaultDamaged, match="restore the vault"):
        decode_local(b"\x80\1\1", LocalEncoding.INT8_INKED, shape)
