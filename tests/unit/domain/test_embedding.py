"""Many embeddings made at once are those made one by one."""

from __future__ import annotations

import numpy as np
import pytest

from sigvault.domain.embedding import Embedding


def unit(count: int) -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal((count, 8)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 2, 3, 4)])
@pytest.mark.parametrize("count", [1, 5])
def test_several_are_those_made_one_by_one(shape, count):
    vectors, grids = unit(count), np.ones((count, *shape), np.int8)
    made = Embedding.several(vectors, grids, "m-1")
    assert len(made) == count
    for one, vector, grid in zip(made, vectors, grids, strict=True):
        alone = Embedding(vector, grid, "m-1")
        assert vars(one).keys() == vars(alone).keys()
        np.testing.assert_array_equal(one.vector, alone.vector)
        np.testing.assert_array_equal(one.local, alone.local)
        assert one.model == alone.model


GRIDS = np.ones((2, 1, 1, 1), np.int8)


@pytest.mark.parametrize(
    ("vectors", "grids", "message"),
    [
        (unit(2).astype(np.float64), GRIDS, "float64"),
        (unit(2)[..., None], GRIDS, "not float32"),
        (unit(2) * np.array([[1.0], [1.1]], np.float32), GRIDS, "norm is 1.1"),
        (unit(2) * np.float32(np.nan), GRIDS, "norm is nan"),
        (unit(2), GRIDS.astype(np.int16), "int16"),
        (unit(2), GRIDS[..., 0], "local features"),
        (unit(2), GRIDS[:, :0], "local features"),
        (unit(2), GRIDS[:1], "zip"),
    ],
)
def test_what_is_none_is_refused_as_it_is_one_by_one(vectors, grids, message):
    with pytest.raises(ValueError, match=message):
        Embedding.several(vectors, grids, "m-1")
