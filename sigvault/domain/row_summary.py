"""What tells two sets of row numbers apart without listing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class RowSummary:
    """A set of row numbers at a glance.

    Attributes:
        count: how many there are.
        last: the largest, or -1 without any.
        total: their sum.
    """

    count: int
    last: int
    total: int

    @classmethod
    def of(cls, rows: npt.NDArray[np.int64]) -> Self:
        """Of these numbers int64 (N,), all different and not negative."""
        return cls(len(rows), int(rows.max(initial=-1)), int(rows.sum()))
