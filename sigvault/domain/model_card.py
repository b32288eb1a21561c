"""What must be known of a model before its answers can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sigvault.domain.comparison import Rate, Threshold
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId


@dataclass(frozen=True)
class MeasuredRates:
    """Equal error rates of signers on whom neither the model nor what was measured was chosen.

    Attributes:
        data: the data set's name.
        references: how many each signer had.
        signers: how many.
        skilled: against skilled forgeries; None without such data.
        random: against other signers' genuine signatures.
    """

    data: str
    references: int
    signers: int
    skilled: Rate | None
    random: Rate


@dataclass(frozen=True)
class ModelCard:
    """The card beside a checkpoint.

    Attributes:
        name: the model's name, lower-case letters, digits and hyphens.
        sha256: SHA-256 of the weights' file, hex.
        architecture: the network's arguments, enough to build it again.
        preprocessing: the preprocessing's parameters, enough to build it again.
        preprocessing_name: its name and version.
        fusion: the fusion rule chosen for the model by measurement.
        training_data: what it was trained on, a line each, with the licence.
        training_digests: SHA-256 of every image that it was trained on or selected by.
        recipe: the training configuration.
        metrics: what was measured, by name.
        thresholds: the thresholds that come with the model; may be empty.
        calibration_digests: SHA-256 of every image that those thresholds were set on: rates that
            they show on these are no measurement.
        licence: under which conditions the weights can be used.
    """

    name: str
    sha256: str
    architecture: dict[str, Any]
    preprocessing: dict[str, Any]
    preprocessing_name: str
    fusion: FusionRule
    training_data: tuple[str, ...]
    training_digests: frozenset[str]
    recipe: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    thresholds: tuple[Threshold, ...] = ()
    calibration_digests: frozenset[str] = frozenset()
    licence: str = ""

    @property
    def id(self) -> ModelId:
        """The name, a hyphen and the first 12 hex digits of the weights' digest."""
        return ModelId(f"{self.name}-{self.sha256[:12]}")

    @property
    def local_turns(self) -> tuple[float, ...]:
        """By how many degrees a reference's ink is turned for each further view of it."""
        return tuple(self.architecture.get("local_turns", ()))

    @property
    def measured(self) -> tuple[MeasuredRates, ...]:
        """What the release of the model measured; empty before it."""
        return tuple(
            MeasuredRates(
                data=entry["data"],
                references=entry["references"],
                signers=entry["signers"],
                skilled=None if entry["skilled"] is None else _pooled(entry["skilled"]),
                random=_pooled(entry["random"]),
            )
            for entry in self.metrics.get("by_folds", ())
        )


def _pooled(error: Mapping[str, Any]) -> Rate:
    rate = error["pooled"]["rate"]
    return Rate(rate["value"], rate["low"], rate["high"])
