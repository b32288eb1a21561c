"""What may happen to a picture in training, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ConfigDict

from sigvault.domain.errors import ConfigurationError


@dataclass(frozen=True)
class NewSigners:
    """Changes that no signature survives: they make another signer of a signer.

    Whatever pictures of a signer a batch holds, forgeries among them, are changed alike, so that
    they differ from each other as they did, but are the pictures of somebody who was not there
    before and will not be again. So a network can't learn signers by heart. In the manner of
    classes made of others by turning them (Santoro et al., ICML 2016, section 4.1) and of task
    augmentation (Liu, Chao, Lin, arXiv 2003.00804). Nothing is mirrored or folded.

    Attributes:
        probability: share of the signers of a batch that become others.
        stretch: by how much widths or heights shrink at most, share, at most 0.5.
        slant: largest shear, degrees either way, at most 30.
        elastic: largest displacement of a control point along either axis, in pixels, at most a
            fifth of the spacing; 0 for none. Between the points it is smooth.
        elastic_spacing: distance of the displacement's control points, in pixels, 16 to 128.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    probability: float = 0.0
    stretch: float = 0.3
    slant: float = 20.0
    elastic: float = 9.0
    elastic_spacing: int = 48

    def __post_init__(self) -> None:
        """Refuse what would fold a signature or leave nothing of it.

        Raises:
            ConfigurationError: Naming the entry and what it may be.
        """
        _check(
            "augmentation.new_signers",
            {
                "probability: use a probability, 0 to 1": 0 <= self.probability <= 1,
                "stretch: use 0 to 0.5": 0 <= self.stretch <= 0.5,
                "slant: use 0 to 30 degrees": 0 <= self.slant <= 30,
                "elastic_spacing: use 16 to 128 pixels": 16 <= self.elastic_spacing <= 128,
                "elastic: use 0 to a fifth of elastic_spacing": (
                    0 <= self.elastic <= self.elastic_spacing / 5
                ),
            },
        )


@dataclass(frozen=True)
class Augmentation:
    """Random changes that a signature survives; never a mirror image, never a stretch of the whole.

    The limits see to it: within them the linear part keeps its orientation, its scale in one
    direction exceeds that in another by the shear alone, and the elastic field never folds.

    Attributes:
        rotation: largest angle, degrees either way, at most 20.
        translation: largest shift, share of the canvas, at most 0.25.
        scale: largest change of size, share, at most 0.3.
        shear: largest shear, degrees either way, at most 10.
        crop: smallest and largest share of the canvas' area that is cut out and resized to the
            whole, aspect kept, each in 0.5 to 1.5; above 1 paper is added around.
        elastic: largest displacement of a control point along either axis, in pixels, at most
            an eighth of the spacing; 0 for none. Between the points it is smooth.
        elastic_spacing: distance of the displacement's control points, in pixels, 8 to 64.
        stroke_width: probability that strokes become thinner or thicker.
        gaps: probability that strokes are broken by one to three short gaps.
        erase: probability that a small patch is lost.
        new_signers: what makes another signer of a signer.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    rotation: float = 4.0
    translation: float = 0.03
    scale: float = 0.08
    shear: float = 5.0
    crop: tuple[float, float] = (1.0, 1.0)
    elastic: float = 0.0
    elastic_spacing: int = 32
    stroke_width: float = 0.5
    gaps: float = 0.0
    erase: float = 0.2
    new_signers: NewSigners = field(default_factory=NewSigners)

    def __post_init__(self) -> None:
        """Refuse what would mirror, stretch or tear a signature.

        Raises:
            ConfigurationError: Naming the entry and what it may be.
        """
        checks = {
            "rotation: use 0 to 20 degrees": 0 <= self.rotation <= 20,
            "translation: use 0 to 0.25": 0 <= self.translation <= 0.25,
            "scale: use 0 to 0.3": 0 <= self.scale <= 0.3,
            "shear: use 0 to 10 degrees": 0 <= self.shear <= 10,
            "crop: use two shares, the smaller first, in 0.5 to 1.5": (
                0.5 <= self.crop[0] <= self.crop[1] <= 1.5
            ),
            "elastic_spacing: use 8 to 64 pixels": 8 <= self.elastic_spacing <= 64,
            "elastic: use 0 to an eighth of elastic_spacing": (
                0 <= self.elastic <= self.elastic_spacing / 8
            ),
        }
        for name in ("stroke_width", "gaps", "erase"):
            checks[f"{name}: use a probability, 0 to 1"] = 0 <= getattr(self, name) <= 1
        _check("augmentation", checks)


def _check(place: str, checks: dict[str, bool]) -> None:
    for message, fits in checks.items():
        if not fits:
            raise ConfigurationError(f"{place}.{message}")
