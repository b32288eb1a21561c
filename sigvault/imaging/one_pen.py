"""The pen's path, redrawn by one pen: how thick and how dark the real one wrote is gone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage


def redraw(ink: npt.NDArray[np.bool_], width: float) -> npt.NDArray[np.bool_]:
    """Thin ink to its skeleton and draw that with a round pen.

    Thinning is Zhang and Suen's (A fast parallel algorithm for thinning digital patterns, CACM
    1984), as scikit-image does it. Where strokes had merged to a blot, its middle line is left.

    Args:
        ink: bool (H, W); what lies at a border may be drawn beyond it.
        width: of the pen, in pixels, above 0.

    Returns:
        bool (H + 2 m, W + 2 m) with a margin m of half the pen, rounded up, on each side.
    """
    from skimage.morphology import skeletonize  # noqa: PLC0415 - slow to import

    padded = np.pad(ink, int(np.ceil(width / 2)))
    skeleton = skeletonize(padded)  # type: ignore[no-untyped-call]
    if not skeleton.any():
        return padded
    apart = ndimage.distance_transform_edt(~skeleton)
    return np.asarray(apart <= width / 2, dtype=np.bool_)
