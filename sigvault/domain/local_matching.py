"""The second stage: how alike two signatures are stroke by stroke.

Each inked cell of one grid looks for its best counterpart among the cells of the other within
a small window, so that the strokes may lie a little apart, and the best cosines are averaged
over both directions. In the manner of dense correspondence scores such as NBNN (Boiman,
Shechtman, Irani: In Defense of Nearest-Neighbor Based Image Classification, CVPR 2008, eq. 6),
with the search confined to a neighbourhood.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

DEFAULT_RADIUS = 2.3
"""How far a stroke may lie from its counterpart, in cells of a grid of up to eight rows."""

TURN_MARGIN = 0.02
"""What a view of the ink turned must be better by than the ink as it is; see `match_local`."""

_ROWS = 8
"""Finer grids reach as far over the canvas as this many rows do."""


def default_radius(rows: int) -> float:
    """How far a stroke may lie from its counterpart, in cells of a grid of so many rows."""
    return DEFAULT_RADIUS * max(1.0, rows / _ROWS)


@dataclass(frozen=True, eq=False)
class LocalMatch:
    """How two grids of local features agree.

    Attributes:
        score: mean of the best cosines over both directions, in [-1, 1], less the margin of a
            turned view; 0 if a side is empty.
        probe_agreement: float32 (rows, columns): each inked probe cell's best cosine, NaN where
            the probe has no ink.
        reference_agreement: float32 (rows, columns): the same for the reference.
        view: which of the reference's views agrees best with the probe; 0 is the ink as it is.
    """

    score: float
    probe_agreement: npt.NDArray[np.float32]
    reference_agreement: npt.NDArray[np.float32]
    view: int = 0


def match_local(
    probe: npt.NDArray[np.int8],
    reference: npt.NDArray[np.int8],
    radius: float | None = None,
) -> LocalMatch:
    """Match the inked cells of two grids under a small displacement.

    Args:
        probe: int8 (rows, columns, C), zero where there is no ink.
        reference: int8 of the same shape, or (views, rows, columns, C): the first view is of the
            ink as it is, the others of the ink turned. Of several views the one with the highest
            score counts, less ``TURN_MARGIN`` for a turned one: most signatures are not askew, and
            the best of several scores is high by chance.
        radius: the largest displacement, in cells; `default_radius` if None.

    Returns:
        The score and, for the report, where the strokes agree. Symmetric in its arguments where
        the reference has one view.

    Raises:
        ValueError: If the shapes differ.
    """
    if reference.ndim == 4:
        matches = [match_local(probe, view, radius) for view in reference]
        scores = [
            match.score if not view else max(-1.0, match.score - TURN_MARGIN)
            for view, match in enumerate(matches)
        ]
        best = int(np.argmax(scores))
        return replace(matches[best], score=scores[best], view=best)
    if probe.shape != reference.shape:
        raise ValueError(f"local features of {probe.shape} and {reference.shape} don't compare")
    radius = default_radius(len(probe)) if radius is None else radius
    probe_cells, probe_unit = inked_cells(probe)
    reference_cells, reference_unit = inked_cells(reference)
    probe_map = np.full(probe.shape[:2], np.nan, np.float32)
    reference_map = np.full(reference.shape[:2], np.nan, np.float32)
    if not len(probe_cells) or not len(reference_cells):
        return LocalMatch(0.0, probe_map, reference_map)
    apart = probe_cells[:, None, :] - reference_cells[None, :, :]
    near = np.einsum("ijk,ijk->ij", apart, apart) <= radius * radius
    # A cell with nothing near it in the other signature agrees with nothing: cosine 0.
    cosine = np.where(near, probe_unit @ reference_unit.T, -np.inf)
    forward = _best(cosine, axis=1)
    backward = _best(cosine, axis=0)
    probe_map[tuple(probe_cells.T)] = forward
    reference_map[tuple(reference_cells.T)] = backward
    score = 0.5 * (float(forward.mean()) + float(backward.mean()))
    return LocalMatch(min(1.0, max(-1.0, score)), probe_map, reference_map)


def inked_cells(
    grid: npt.NDArray[np.int8],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The places (n, 2) of the cells with ink and their unit descriptors float32 (n, C)."""
    cells = np.argwhere(grid.any(axis=-1))
    descriptors = grid[tuple(cells.T)].astype(np.float32)
    return cells, descriptors / np.linalg.norm(descriptors, axis=-1, keepdims=True)


def _best(cosine: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """The largest cosine along an axis, 0 where no cell was near enough."""
    best = cosine.max(axis=axis)
    return np.where(np.isneginf(best), np.float32(0.0), best).astype(np.float32)
