"""The batch's one interpolation against torchvision's affine and elastic, a picture at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms import v2

from sigvault.training.augmentation.changes import Affine, Changes, draw_changes
from sigvault.training.augmentation.settings import Augmentation
from sigvault.training.augmentation.warp import sampling_grid, warp

SHAPE = (64, 104)
BILINEAR = v2.InterpolationMode.BILINEAR
AFFINE = Augmentation(rotation=15, translation=0.1, scale=0.2, shear=8, crop=(0.8, 1.2))
ELASTIC = Augmentation(elastic=2.0, elastic_spacing=16)
NOTHING = Affine(0.0, (0.0, 0.0), 1.0, 0.0)


@pytest.fixture
def pictures() -> torch.Tensor:
    generator = np.random.default_rng(4)
    return torch.from_numpy((generator.random((6, 1, *SHAPE)) > 0.8).astype(np.float32))


def drawn(settings: Augmentation) -> list[Changes]:
    return [draw_changes(settings, SHAPE, seed) for seed in range(6)]


def upsampled(changes: Changes) -> torch.Tensor:
    """The displacement by torch's own bicubic interpolation, (1, H, W, 2) in pixels."""
    points = torch.from_numpy(changes.elastic)[None]
    field = functional.interpolate(points, SHAPE, mode="bicubic", align_corners=True)
    return field.permute(0, 2, 3, 1)


def test_affine_is_torchvisions(pictures: torch.Tensor):
    changes = drawn(AFFINE)
    for picture, result, entry in zip(pictures, warp(pictures, changes), changes, strict=True):
        affine = entry.affine
        slow = v2.functional.affine(
            picture,
            angle=affine.angle,
            translate=list(affine.shift),
            scale=affine.scale,
            shear=[affine.shear, 0.0],
            interpolation=BILINEAR,
        )
        assert float((slow - result).abs().max()) < 2e-3
        assert float((picture - result).abs().max()) > 0.5


def test_elastic_is_torchvisions(pictures: torch.Tensor):
    changes = [replace(entry, affine=NOTHING) for entry in drawn(ELASTIC)]
    size = torch.tensor([2 / SHAPE[1], 2 / SHAPE[0]])
    for picture, result, entry in zip(pictures, warp(pictures, changes), changes, strict=True):
        slow = v2.functional.elastic(picture, upsampled(entry) * size, BILINEAR)
        assert float((slow - result).abs().max()) < 2e-3
        assert float((picture - result).abs().max()) > 0.5


def test_both_together_read_where_both_together_say(pictures: torch.Tensor):
    """Torchvision's elastic, given the affine change as a part of its displacement."""
    changes = drawn(replace(AFFINE, elastic=2.0, elastic_spacing=16))
    size = torch.tensor([2 / SHAPE[1], 2 / SHAPE[0]])
    plain = sampling_grid([replace(changes[0], affine=NOTHING, elastic=no_points())], SHAPE)
    for picture, result, entry in zip(pictures, warp(pictures, changes), changes, strict=True):
        affine = sampling_grid([replace(entry, elastic=no_points())], SHAPE) - plain
        slow = v2.functional.elastic(picture, affine + upsampled(entry) * size, BILINEAR)
        assert float((slow - result).abs().max()) < 2e-3


def test_a_change_of_nothing_changes_nothing(pictures: torch.Tensor):
    still = [replace(entry, affine=NOTHING, elastic=no_points()) for entry in drawn(AFFINE)]
    assert torch.allclose(warp(pictures, still), pictures, atol=1e-4)


def test_a_crop_keeps_the_aspect_and_stays_on_the_canvas():
    still = {"rotation": 0.0, "translation": 0.0, "scale": 0.0, "shear": 0.0}
    inside = Augmentation(**still, crop=(0.6, 0.6))
    around = Augmentation(**still, crop=(1.4, 1.4))
    for seed in range(50):
        grid = sampling_grid([draw_changes(inside, SHAPE, seed)], SHAPE)
        assert float(grid.abs().max()) <= 1 + 1e-5
        grid = sampling_grid([draw_changes(around, SHAPE, seed)], SHAPE)[0]
        assert bool((grid[0, 0] <= -1 + 1 / 32).all())
        assert bool((grid[-1, -1] >= 1 - 1 / 32).all())
        steps = (grid[0, 1, 0] - grid[0, 0, 0], grid[1, 0, 1] - grid[0, 0, 1])
        assert float(steps[0]) * SHAPE[1] == pytest.approx(float(steps[1]) * SHAPE[0], rel=1e-3)


def no_points() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.zeros((2, 0, 0), np.float32)
