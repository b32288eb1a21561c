"""Affine and elastic changes of a whole batch, in one interpolation of its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sigvault.training.augmentation.changes import Affine, Changes, Manner


def linear_part(affine: Affine) -> npt.NDArray[np.float64]:
    """What the change does to directions, (2, 2) on (right, down): rotate, shear, then scale.

    Its determinant is scale squared, above 0: nothing is ever mirrored.
    """
    angle, slant = math.radians(affine.angle), math.tan(math.radians(affine.shear))
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    part: npt.NDArray[np.float64] = rotation @ np.array([[1.0, -slant], [0.0, 1.0]])
    return affine.scale * part


def warp(
    pictures: Tensor, changes: Sequence[Changes], manners: Sequence[Manner | None] = ()
) -> Tensor:
    """Warp pictures (B, 1, H, W); what comes from outside is paper (0).

    Where there are manners, one for each picture, what the changes are done to is the picture in
    the manner of another signer. Each pixel p of the result is read, between pixels bilinearly, at
    A^-1 p + u(p): A the affine change about the centre, u the displacement, a bicubic surface
    through its control points (smooth random fields: Simard, Steinkraus, Platt, ICDAR 2003,
    section 2, whose Gaussian smoothing costs more than the network's first layer).
    """
    grid = sampling_grid(changes, (pictures.shape[-2], pictures.shape[-1]))
    chosen = [place for place, manner in enumerate(manners) if manner is not None]
    if chosen:
        grid[chosen] = in_manner(grid[chosen], [each for each in manners if each is not None])
    return functional.grid_sample(
        pictures, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )


def sampling_grid(changes: Sequence[Changes], shape: tuple[int, int]) -> Tensor:
    """Where each pixel is read, float32 (B, H, W, 2), right and down, -1 to 1 over the picture."""
    height, width = shape
    inverse = torch.from_numpy(np.stack([_inverse(entry.affine) for entry in changes])).float()
    right = torch.arange(width) - (width - 1) / 2
    down = torch.arange(height) - (height - 1) / 2
    shifts = _surface([entry.elastic for entry in changes], shape)
    grid = torch.empty(len(changes), height, width, 2)
    for axis, length in enumerate((width, height)):
        a, b, c = (inverse[:, axis, column, None] for column in range(3))
        places = (a * right + c)[:, None, :] + (b * down)[:, :, None]
        if shifts is not None:
            places += shifts[:, axis]
        torch.mul(places, 2 / length, out=grid[..., axis])
    return grid


def in_manner(grid: Tensor, manners: Sequence[Manner]) -> Tensor:
    """Where the places of a grid (B, H, W, 2) lie in the pictures of the former signers.

    A place q of the new picture is B^-1 q + v(q) of the former: B shrinks widths and heights and
    slants, v is the displacement as in `warp`.
    """
    height, width = grid.shape[1:3]
    half = torch.tensor([width / 2, height / 2])
    back = torch.from_numpy(np.stack([_back_to_former(each) for each in manners])).float()
    places = torch.einsum("bij,bhwj->bhwi", back, grid * half)
    shifts = _surface([each.elastic for each in manners], (height, width))
    if shifts is not None:
        there = functional.grid_sample(shifts, grid, padding_mode="border", align_corners=False)
        places += there.permute(0, 2, 3, 1)
    return places / half


def _back_to_former(manner: Manner) -> npt.NDArray[np.float64]:
    """(2, 2): from a place of the new picture to that of the former, before the displacement."""
    slant = math.tan(math.radians(manner.slant))
    there = np.array([[manner.widths, -slant * manner.heights], [0.0, manner.heights]])
    back: npt.NDArray[np.float64] = np.linalg.inv(there)
    return back


def _inverse(affine: Affine) -> npt.NDArray[np.float64]:
    """(2, 3): from a place of the result to that of the picture, in pixels from the centre."""
    back = np.linalg.inv(linear_part(affine))
    return np.concatenate([back, back @ -np.array(affine.shift)[:, None]], axis=1)


def _surface(points_of: Sequence[npt.NDArray[np.float32]], shape: tuple[int, int]) -> Tensor | None:
    """Displacements float32 (B, 2, H, W) in pixels, or None where nothing is displaced."""
    points = torch.from_numpy(np.stack(points_of))
    if not points.numel():
        return None
    down, across = (
        _bicubic(count, length) for count, length in zip(points.shape[2:], shape, strict=True)
    )
    return down @ (points @ across.T)


@lru_cache(maxsize=16)
def _bicubic(count: int, length: int) -> Tensor:
    """(length, count): bicubic interpolation along one axis is this matrix times the points."""
    unit = torch.eye(count)[None, :, :, None]
    spread = functional.interpolate(unit, (length, 1), mode="bicubic", align_corners=True)
    return spread[0, :, :, 0].T.contiguous()
