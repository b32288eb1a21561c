"""What a synthetic data set shall hold."""

from __future__ import annotations

from dataclasses import dataclass

from sigvault.domain.errors import ConfigurationError
from sigvault.domain.population import Population

_MOST_SIGNERS = 100_000
_MOST_IMAGES = 1_000


@dataclass(frozen=True)
class SynthesisSettings:
    """How many signers and images, and from which seed.

    Attributes:
        signers: number of signers, 1 to 100,000.
        genuine: genuine signatures of each signer, 1 to 1,000.
        forged: skilled forgeries of each signer's signature, 0 to 1,000.
        seed: seed of the population, >= 0; the same settings make the same images.
        first: number of the first signer, >= 1; signers don't depend on how many are made.
        dpi: resolution of the scans, 100 to 600 pixels per inch.
        population: which signers and forgers there are.
        clutter: share of the images with lines, stamps or print about the signature, 0 to 1.

    Raises:
        ConfigurationError: a value lies outside its range.
    """

    signers: int = 20
    genuine: int = 12
    forged: int = 8
    seed: int = 0
    first: int = 1
    dpi: float = 300.0
    population: Population = Population.DEMONSTRATION
    clutter: float = 0.0

    def __post_init__(self) -> None:
        """Check every range."""
        _check("signers", self.signers, 1, _MOST_SIGNERS)
        _check("genuine", self.genuine, 1, _MOST_IMAGES)
        _check("forged", self.forged, 0, _MOST_IMAGES)
        _check("seed", self.seed, 0, 2**63 - 1)
        _check("first", self.first, 1, 2**31 - 1)
        _check("dpi", self.dpi, 100, 600)
        _check("clutter", self.clutter, 0, 1)


def _check(name: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        message = f"{name} is {value}; give a value from {low} to {high}"
        raise ConfigurationError(message)
