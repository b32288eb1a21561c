"""All of a signer's pictures become those of the same other signer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from sigvault.domain.errors import ConfigurationError
from sigvault.training.augmentation.augmenter import Augmenter
from sigvault.training.augmentation.changes import Affine, Changes, Manner, draw_manner
from sigvault.training.augmentation.settings import Augmentation, NewSigners
from sigvault.training.augmentation.warp import in_manner, sampling_grid, warp
from sigvault.training.config import config_from_dict

SHAPE = (64, 104)
NO_POINTS = np.zeros((2, 0, 0), np.float32)
STILL = Changes((), Affine(0.0, (0.0, 0.0), 1.0, 0.0), NO_POINTS, 0.0, None)
ALL_OTHERS = Augmentation(
    rotation=0.0,
    translation=0.0,
    scale=0.0,
    shear=0.0,
    stroke_width=0.0,
    erase=0.0,
    new_signers=NewSigners(probability=1.0),
)
MINIMAL = {"name": "m", "licence": "", "data": [{"path": "d", "layout": "folders", "licence": ""}]}
INK = (np.random.default_rng(1).random((6, *SHAPE)) > 0.85).astype(np.uint8) * 255


def test_pictures_of_a_signer_are_changed_alike_and_of_others_otherwise():
    """A picture of two pictures' ink together is changed into both their results together."""
    first, second = INK[0] // 2, INK[1] // 2
    pictures = np.stack([first, second, first + second, first])
    one, other, both, elsewhere = Augmenter(ALL_OTHERS)(pictures, range(4), [5, 5, 5, 6])
    assert torch.allclose(one + other, both, atol=1e-5)
    assert float((one - elsewhere).abs().max()) > 0.3
    assert float((one[0] - torch.from_numpy(first / 255.0)).abs().max()) > 0.3


def test_nobody_becomes_another_unless_asked():
    plain = Augmentation()
    with_seeds = Augmenter(plain)(INK, range(6), [0, 0, 0, 1, 1, 1])
    assert torch.equal(with_seeds, Augmenter(plain)(INK, range(6)))


def test_as_many_become_others_as_configured():
    chosen = NewSigners(probability=0.7, stretch=0.4, slant=15.0, elastic=6.0, elastic_spacing=48)
    drawn = [draw_manner(chosen, SHAPE, seed) for seed in range(3000)]
    others = [manner for manner in drawn if manner is not None]
    assert len(others) / len(drawn) == pytest.approx(0.7, abs=0.03)
    ratios = np.array([manner.widths / manner.heights for manner in others])
    assert 0.6 - 1e-9 <= ratios.min() < 0.62
    assert 1.62 < ratios.max() <= 1 / 0.6 + 1e-9
    slants = np.array([manner.slant for manner in others])
    assert np.abs(slants).max() <= 15
    assert np.std(slants) == pytest.approx(15 / math.sqrt(3), rel=0.05)
    assert max(float(np.abs(manner.elastic).max()) for manner in others) <= 6


def test_a_pixel_is_read_where_the_former_signer_had_it():
    """Against SciPy, pixel by pixel: what the manner says, after the picture's own changes."""
    points = np.random.default_rng(3).uniform(-4, 4, (2, 3, 4)).astype(np.float32)
    manner = Manner(widths=0.8, heights=0.9, slant=12.0, elastic=points)
    own = Changes((), Affine(6.0, (3.0, -2.0), 1.1, 3.0), NO_POINTS, 0.0, None)
    smooth = torch.zeros(1, 1, *SHAPE)
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in SHAPE), indexing="ij")
    smooth[0, 0] = torch.sin(rows / 9) * torch.cos(columns / 7)
    result = warp(smooth, [own], [manner])[0, 0].numpy()
    size = np.array(SHAPE[::-1])
    places = sampling_grid([own], SHAPE)[0].double().numpy() * size / 2
    still = displacement(points)
    shift = np.stack([sample(axis, places) for axis in still], axis=-1)
    slanted = np.array([[0.8, -math.tan(math.radians(12.0)) * 0.9], [0.0, 0.9]])
    former = places @ np.linalg.inv(slanted).T + shift
    where = former + (size - 1) / 2
    expected = map_coordinates(smooth[0, 0].numpy(), [where[..., 1], where[..., 0]], order=1)
    inside = ((where >= 1) & (where <= size - 2)).all(axis=-1)
    kept = inside & (np.abs(places) < (size - 1) / 2).all(axis=-1)
    assert kept.mean() > 0.5
    np.testing.assert_allclose(result[kept], expected[kept], atol=2e-3)


def displacement(points: np.ndarray) -> np.ndarray:
    """The displacement (2, H, W) in pixels, by the picture's own elastic change."""
    changes = Changes((), STILL.affine, points, 0.0, None)
    moved, plain = (sampling_grid([each], SHAPE)[0] for each in (changes, STILL))
    return ((moved - plain).double().numpy() * np.array(SHAPE[::-1]) / 2).transpose(2, 0, 1)


def sample(field: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A field (H, W) at places from its centre, right and down."""
    where = places + (np.array(SHAPE[::-1]) - 1) / 2
    return map_coordinates(field, [where[..., 1], where[..., 0]], order=1, mode="nearest")


@given(st.floats(0, 0.5), st.floats(0, 30), st.integers(0, 2**32))
def test_all_of_the_canvas_stays_on_it(stretch: float, slant: float, seed: int):
    chosen = NewSigners(probability=1.0, stretch=stretch, slant=slant, elastic=0.0)
    manner = draw_manner(chosen, SHAPE, seed)
    assert manner is not None
    for down in (-SHAPE[0] / 2, SHAPE[0] / 2):
        for right in (-SHAPE[1] / 2, SHAPE[1] / 2):
            tan = math.tan(math.radians(manner.slant))
            there = (manner.widths * right - tan * manner.heights * down, manner.heights * down)
            assert abs(there[0]) <= SHAPE[1] / 2 + 1e-6
            assert abs(there[1]) <= SHAPE[0] / 2 + 1e-6
            # The same place, as the grid has it, leads back to the corner.
            grid = torch.tensor([there]).float() / torch.tensor([SHAPE[1] / 2, SHAPE[0] / 2])
            canvas = torch.zeros(1, *SHAPE, 2)
            canvas[0, 0, 0] = grid
            back = in_manner(canvas, [manner])[0, 0, 0] * torch.tensor([SHAPE[1], SHAPE[0]]) / 2
            assert back.tolist() == pytest.approx([right, down], abs=1e-2)


@settings(max_examples=40, deadline=None)
@given(st.integers(16, 128), st.integers(0, 2**32), st.sampled_from([0.0, 0.5]), st.integers(0, 2))
def test_nobody_is_mirrored_or_folded(spacing: int, seed: int, stretch: float, steep: int):
    shape = (128, 208)
    chosen = NewSigners(1.0, stretch, 30.0, spacing / 5, spacing)
    manner = draw_manner(chosen, shape, seed)
    assert manner is not None
    if steep:  # signs chosen to make the field steep, rather than by chance
        rows, columns = np.indices(manner.elastic.shape[1:])
        signs = (columns, rows) if steep == 1 else (rows + columns, rows + columns)
        points = np.stack([(-1.0) ** sign for sign in signs]).astype(np.float32) * spacing / 5
        manner = Manner(manner.widths, manner.heights, manner.slant, points)
    plain = sampling_grid([STILL], shape)
    grid = in_manner(plain, [manner])[0].double().numpy() * np.array(shape[::-1]) / 2
    down, right = np.diff(grid, axis=0)[:, :-1], np.diff(grid, axis=1)[:-1]
    determinant = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    assert determinant.min() > 0


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("probability", 1.5),
        ("stretch", 0.9),
        ("slant", -5),
        ("elastic", 20),
        ("elastic_spacing", 4),
        ("mirror", True),
    ],
)
def test_what_would_mirror_or_fold_is_refused_by_name(entry: str, value: object):
    content = {**MINIMAL, "augmentation": {"new_signers": {entry: value}}}
    with pytest.raises(ConfigurationError, match=rf"augmentation\.new_signers\.{entry}"):
        config_from_dict(content, source="here")


def test_a_loss_with_classes_has_none_for_new_signers():
    others = {"augmentation": {"new_signers": {"probability": 0.5}}}
    content = {**MINIMAL, **others, "loss": {"name": "arcface"}}
    with pytest.raises(ConfigurationError, match=r"new_signers\.probability.*arcface"):
        config_from_dict(content, source="here")
    config_from_dict({**content, "loss": {"name": "multi-similarity"}}, source="here")


def test_seeds_of_signers_are_as_many_as_pictures():
    with pytest.raises(ValueError, match="6 and 2 seeds for 6 pictures"):
        Augmenter(ALL_OTHERS)(INK, range(6), [1, 2])
