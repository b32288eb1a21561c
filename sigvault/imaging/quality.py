"""What can be wrong with a picture of a signature, each with its measured value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sigvault.domain.image import QualityFinding


def inspect_ink(ink: npt.NDArray[np.bool_]) -> tuple[QualityFinding, ...]:
    """The findings about ink at the source's resolution.

    Args:
        ink: bool (H, W).
    """
    area = int(np.count_nonzero(ink))
    if area == 0:
        return (
            QualityFinding(
                name="blank",
                value=0.0,
                limit=1.0,
                unit="ink pixels",
                severe=True,
                message="There is no ink on the page. Scan the signature again, darker.",
            ),
        )
    return ()
