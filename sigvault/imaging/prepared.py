"""What every recipe makes of a decoded picture."""

from __future__ import annotations

from dataclasses import dataclass

from sigvault.domain.image import InkImage, QualityFinding
from sigvault.imaging.canvas import Box


@dataclass(frozen=True, eq=False)
class PreparedSignature:
    """A harmonised signature and what was noticed on the way.

    Attributes:
        ink: the ink on the canvas.
        findings: the quality findings, severe ones first.
        box: where the ink lies in the upright source, in source pixels; none without ink.
    """

    ink: InkImage
    findings: tuple[QualityFinding, ...]
    box: Box | None
