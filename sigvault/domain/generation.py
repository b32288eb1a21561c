"""A generation with all that it decides by."""

from __future__ import annotations

from dataclasses import dataclass

from sigvault.domain.comparison import Threshold
from sigvault.domain.errors import NotCalibrated
from sigvault.domain.identifiers import GenerationId, ModelId


@dataclass(frozen=True)
class BoundGeneration:
    """A generation with all that it decides by.

    Attributes:
        id: its number.
        model: the model that made every vector.
        preprocessing: the name and version of the preprocessing.
        dimension: D, the length of the global vectors.
        thresholds: its thresholds by number of references; none before it is calibrated.
    """

    id: GenerationId
    model: ModelId
    preprocessing: str
    dimension: int
    thresholds: tuple[Threshold, ...]

    def require_thresholds(self) -> None:
        """Make sure that something can be decided.

        Raises:
            NotCalibrated: If the generation has no thresholds.
        """
        if not self.thresholds:
            raise NotCalibrated(
                f"generation {self.id} ({self.model}) has no thresholds, so nothing can be "
                "decided: run `sigvault calibrate` on signatures that the model was not trained on"
            )
