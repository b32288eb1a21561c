"""The losses that can be asked for by name, each with parameters of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Tag

from sigvault.domain.errors import ConfigurationError

DEFAULT = "multi-similarity"


@dataclass(frozen=True)
class ForgeryRanking:
    """How much a forgery may come near, beside any loss (`sigvault.training.losses.ranking`).

    Attributes:
        skilled: weight of skilled forgeries; 0 leaves them to the loss itself.
        random: weight of other signers' genuine signatures; likewise.
        margin: by how much a mated pair's cosine is to exceed a forgery's.
        scale: how sharply the margin is kept; the larger, the more like a hinge.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    skilled: float = 0.0
    random: float = 0.0
    margin: float = 0.1
    scale: float = 10.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigurationError: Naming the entry and what it may be.
        """
        for name in ("skilled", "random", "margin"):
            _check(f"forgeries.{name}", getattr(self, name))
        _check("forgeries.scale", self.scale, above=True)


@dataclass(frozen=True)
class AnyLoss:
    """What every loss may have beside it.

    Attributes:
        local_weight: weight of the local matching loss; with 0 the projection of the local features
            is fitted to training images at the end instead.
        diversity: weight of the diversity term; 0 for none.
        forgeries: a ranking term for forgeries; none unless it has a weight.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    local_weight: float = 1.0
    diversity: float = 0.0
    forgeries: ForgeryRanking = field(default_factory=ForgeryRanking)

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigurationError: Naming the entry and what it may be.
        """
        _check("local_weight", self.local_weight)
        _check("diversity", self.diversity)


@dataclass(frozen=True)
class MultiSimilarity(AnyLoss):
    """Multi-similarity (Wang et al., CVPR 2019, eq. 15).

    Attributes:
        alpha: weight of positive pairs.
        beta: weight of negative pairs.
        base: the cosine offset.
    """

    name: Literal["multi-similarity"] = "multi-similarity"
    alpha: float = 2.0
    beta: float = 40.0
    base: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges; as `AnyLoss`."""
        super().__post_init__()
        _check("alpha", self.alpha, above=True)
        _check("beta", self.beta, above=True)
        _check("base", self.base, least=-1.0)


@dataclass(frozen=True)
class TripletMargin(AnyLoss):
    """Every triplet of the batch, by cosine (Schroff et al., CVPR 2015, section 3.1).

    Attributes:
        margin: by how much a mated pair's cosine is to exceed another's.
    """

    name: Literal["triplet-margin"] = "triplet-margin"
    margin: float = 0.2

    def __post_init__(self) -> None:
        """Check the ranges; as `AnyLoss`."""
        super().__post_init__()
        _check("margin", self.margin)


@dataclass(frozen=True)
class BatchTriplet(AnyLoss):
    """One triplet an anchor, mined in the batch (Hermans et al., arXiv 1703.07737, section 2).

    Attributes:
        mining: the nearest negative, or the nearest that is farther than the positive but within
            the margin; where there is none, the nearest all the same.
        distance: Euclidean, or 1 - cosine.
        p: of the Euclidean distance's norm, at least 1.
        margin: of the hinge, and of semi-hard mining.
        soft_margin: softplus instead of the hinge; it has no margin.
        normalise: scale vectors to unit length (in L2) first; the network's are already.
    """

    name: Literal["batch-triplet"] = "batch-triplet"
    mining: Literal["batch-hard", "batch-semi-hard"] = "batch-hard"
    distance: Literal["euclidean", "cosine"] = "euclidean"
    p: float = 2.0
    margin: float = 1.0
    soft_margin: bool = False
    normalise: bool = False

    def __post_init__(self) -> None:
        """Check the ranges; as `AnyLoss`."""
        super().__post_init__()
        _check("margin", self.margin)
        _check("p", self.p, least=1.0)


@dataclass(frozen=True)
class SupervisedContrastive(AnyLoss):
    """Supervised contrastive (Khosla et al., NeurIPS 2020, eq. 2).

    Attributes:
        temperature: the lower, the more the nearest count.
    """

    name: Literal["supervised-contrastive"] = "supervised-contrastive"
    temperature: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges; as `AnyLoss`."""
        super().__post_init__()
        _check("temperature", self.temperature, above=True)


@dataclass(frozen=True)
class TupletMargin(AnyLoss):
    """A mated pair against all of an anchor's negatives (Yu, Tao, ICCV 2019).

    Attributes:
        margin: slack that is allowed to a mated pair's angle, degrees.
        scale: of the cosines.
    """

    name: Literal["tuplet-margin"] = "tuplet-margin"
    margin: float = 5.73
    scale: float = 64.0

    def __post_init__(self) -> None:
        """Check the ranges; as `AnyLoss`."""
        super().__post_init__()
        _check("margin", self.margin, below=90.0)
        _check("scale", self.scale, above=True)


@dataclass(frozen=True)
class ArcFace(AnyLoss):
    """A class for each signer's genuine images (Deng et al., CVPR 2019, eq. 3).

    Attributes:
        margin: added to the angle with the own class, degrees.
        scale: of the cosines.
    """

    name: Literal["arcface"] = "arcface"
    margin: float = 28.6
    scale: float = 64.0

    def __post_init__(self) -> None:
        """Check the ranges; as `AnyLoss`."""
        super().__post_init__()
        _check("margin", self.margin, below=90.0)
        _check("scale", self.scale, above=True)


@dataclass(frozen=True)
class SubCentreArcFace(AnyLoss):
    """ArcFace with several centres a class, for signers who write in several ways.

    Deng et al., ECCV 2020.

    Attributes:
        margin: added to the angle with the own class, degrees.
        scale: of the cosines.
        sub_centres: how many each class has.
    """

    name: Literal["sub-centre-arcface"] = "sub-centre-arcface"
    margin: float = 28.6
    scale: float = 64.0
    sub_centres: int = 3

    def __post_init__(self) -> None:
        """Check the ranges; as `AnyLoss`."""
        super().__post_init__()
        _check("margin", self.margin, below=90.0)
        _check("scale", self.scale, above=True)
        _check("sub_centres", self.sub_centres, least=1)


def _check(
    entry: str,
    value: float,
    *,
    least: float = 0.0,
    above: bool = False,
    below: float = math.inf,
) -> None:
    """Refuse what isn't in the range; infinity and what is no number never are."""
    if not (least <= value < below and (value > least or not above)):
        lowest = f"more than {least:g}" if above else f"{least:g} or more"
        highest = f", less than {below:g}" if math.isfinite(below) else ", and finite"
        raise ConfigurationError(f"loss.{entry} is {value:g}: use {lowest}{highest}")


def _name(content: Any) -> str:  # noqa: ANN401  # whatever the file has there
    if isinstance(content, dict):
        return str(content.get("name", DEFAULT))
    return str(getattr(content, "name", ""))


NAMES = (
    "multi-similarity",
    "triplet-margin",
    "batch-triplet",
    "supervised-contrastive",
    "tuplet-margin",
    "arcface",
    "sub-centre-arcface",
)

Loss = Annotated[
    Annotated[MultiSimilarity, Tag("multi-similarity")]
    | Annotated[TripletMargin, Tag("triplet-margin")]
    | Annotated[BatchTriplet, Tag("batch-triplet")]
    | Annotated[SupervisedContrastive, Tag("supervised-contrastive")]
    | Annotated[TupletMargin, Tag("tuplet-margin")]
    | Annotated[ArcFace, Tag("arcface")]
    | Annotated[SubCentreArcFace, Tag("sub-centre-arcface")],
    Discriminator(
        _name,
        custom_error_type="unknown_loss",
        custom_error_message=f"there is no such loss: use one of {', '.join(NAMES)}",
    ),
]
"""One of the losses, by its name; an entry that it doesn't have is refused."""
