"""What must be known of a model before its answers can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sigvault.domain.comparison import Threshold
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId


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
