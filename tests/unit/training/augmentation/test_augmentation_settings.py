"""No configuration can mirror, stretch or tear a signature."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigvault.domain.errors import ConfigurationError
from sigvault.training.augmentation.changes import draw_changes
from sigvault.training.augmentation.settings import Augmentation
from sigvault.training.augmentation.warp import linear_part, sampling_grid
from sigvault.training.config import config_from_dict

SHAPE = (128, 208)

shares = st.floats(0.5, 1.5)
allowed = st.builds(
    Augmentation,
    rotation=st.floats(0, 20),
    translation=st.floats(0, 0.25),
    scale=st.floats(0, 0.3),
    shear=st.floats(0, 10),
    crop=st.tuples(shares, shares).map(lambda pair: (min(pair), max(pair))),
)


@given(allowed, st.integers(0, 2**63 - 1))
def test_whatever_is_configured_nothing_is_mirrored_or_stretched(chosen: Augmentation, seed: int):
    part = linear_part(draw_changes(chosen, SHAPE, seed).affine)
    assert np.linalg.det(part) > 0
    largest, smallest = np.linalg.svd(part, compute_uv=False)
    # A shear by s alone lengthens one direction against another by this much, and nothing else may.
    slant = math.tan(math.radians(chosen.shear))
    assert largest / smallest <= ((slant + math.hypot(slant, 2)) / 2) ** 2 + 1e-9
    assert (1 - chosen.scale) / math.sqrt(1.5) - 1e-9 <= math.sqrt(largest * smallest)
    assert math.sqrt(largest * smallest) <= (1 + chosen.scale) / math.sqrt(0.5) + 1e-9
    # Upright writing stays upright: right stays right, down stays down.
    assert part[0, 0] > 0
    assert part[1, 1] > 0


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 64), st.integers(0, 2**32))
def test_the_strongest_elastic_field_never_folds(spacing: int, seed: int):
    still = {"rotation": 0.0, "translation": 0.0, "scale": 0.0, "shear": 0.0}
    chosen = Augmentation(**still, elastic=spacing / 8, elastic_spacing=spacing)
    changes = draw_changes(chosen, SHAPE, seed)
    grid = sampling_grid([changes], SHAPE)[0].double().numpy() * np.array(SHAPE[::-1]) / 2
    down, right = np.diff(grid, axis=0)[:, :-1], np.diff(grid, axis=1)[:-1]
    determinant = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    assert determinant.min() > 0


@pytest.mark.parametrize("spacing", [8, 32, 64])
def test_even_the_worst_control_points_do_not_fold(spacing: int):
    """Signs chosen to make the field as steep as it can be, rather than by chance."""
    still = Augmentation(elastic=spacing / 8, elastic_spacing=spacing)
    changes = draw_changes(still, SHAPE, 0)
    rows, columns = np.indices(changes.elastic.shape[1:])
    for signs in ((columns, rows), (rows + columns, rows + columns), (rows, columns)):
        points = np.stack([(-1.0) ** sign for sign in signs]).astype(np.float32) * spacing / 8
        points[1] *= -1
        steep = replace(changes, affine=replace(changes.affine, angle=0, shear=0), elastic=points)
        grid = sampling_grid([steep], SHAPE)[0].double().numpy() * np.array(SHAPE[::-1]) / 2
        down, right = np.diff(grid, axis=0)[:, :-1], np.diff(grid, axis=1)[:-1]
        determinant = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
        assert determinant.min() > 0


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("rotation", 90),
        ("rotation", -1),
        ("translation", 0.5),
        ("scale", -0.1),
        ("scale", 1.0),
        ("scale", float("nan")),
        ("shear", 45),
        ("crop", [1.05, 0.9]),
        ("crop", [-1.0, 1.0]),
        ("elastic", 5),
        ("elastic_spacing", 2),
        ("stroke_width", 1.5),
        ("gaps", -0.5),
        ("erase", 2),
        ("mirror", True),
        ("stretch", [0.9, 1.1]),
        ("ratio", [0.95, 1.05]),
    ],
)
def test_what_would_mirror_stretch_or_tear_is_refused_by_name(entry: str, value: object):
    content = {
        "name": "m",
        "licence": "",
        "data": [{"path": "d", "layout": "folders", "licence": ""}],
        "augmentation": {entry: value},
    }
    with pytest.raises(ConfigurationError, match=rf"augmentation\.{entry}"):
        config_from_dict(content, source="here")
