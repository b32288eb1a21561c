"""The network's arguments: enough to build it again from its model card. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

from sigvault.domain.errors import CheckpointMismatch, ConfigurationError

Choice = TypeVar("Choice", bound=StrEnum)

MOST_TURN = 45.0
"""Degrees that a view may be turned by; beyond it no hand would have written so."""


class Backbone(StrEnum):
    """The residual networks of He, Zhang, Ren, Sun (CVPR 2016), table 1."""

    RESNET18 = "resnet18"
    RESNET34 = "resnet34"
    RESNET50 = "resnet50"
    RESNET101 = "resnet101"
    RESNET152 = "resnet152"


class Head(StrEnum):
    """How the pooled features become a vector, before it is scaled to unit length.

    ``LINEAR``: linear, batch norm. ``NORMED_LINEAR``: batch norm, linear, batch norm.
    ``ONE_ORTHANT``: batch norm, linear, batch norm, ReLU: no component is ever negative, so
    neither is a cosine; kept for comparison alone.
    """

    LINEAR = "linear"
    NORMED_LINEAR = "normed-linear"
    ONE_ORTHANT = "one-orthant"


@dataclass(frozen=True)
class Architecture:
    """What the embedding network is made of.

    Attributes:
        backbone: the residual network.
        dimension: D, the length of the embedding, at least 1.
        extra_widths: output channels of 3x3 convolution blocks after the backbone; where there
            are any, one more block leads to ``dimension`` channels.
        pool_rows: rows of the average-pooled grid that the head reads; 1 pools everything.
        pool_columns: columns of that grid.
        head: how the pooled features become a vector.
        dropout: the share of the head's features dropped in training, in [0, 1].
        local_channels: C, channels of the local features.
        local_stage: the residual stage that they are taken from: 3, whose cells cover 16 pixels of
            the canvas each way, or 2, whose cells cover 8.
        local_turns: by how many degrees the ink of a reference is turned for further views of its
            local features, anticlockwise positive, each from -45 to 45 and not 0; none by default.
        height: the canvas' height in pixels.
        width: the canvas' width in pixels.
    """

    backbone: Backbone = Backbone.RESNET18
    dimension: int = 256
    extra_widths: tuple[int, ...] = ()
    pool_rows: int = 2
    pool_columns: int = 3
    head: Head = Head.LINEAR
    dropout: float = 0.0
    local_channels: int = 64
    local_stage: int = 3
    local_turns: tuple[float, ...] = ()
    height: int = 128
    width: int = 208

    def __post_init__(self) -> None:
        """Check every argument.

        Raises:
            ConfigurationError: Naming the argument, its value and what it may be.
        """
        object.__setattr__(self, "backbone", _member(Backbone, self.backbone, "backbone"))
        object.__setattr__(self, "head", _member(Head, self.head, "head"))
        object.__setattr__(self, "extra_widths", tuple(self.extra_widths))
        object.__setattr__(self, "local_turns", tuple(self.local_turns))
        for name in ("dimension", "pool_rows", "pool_columns", "local_channels"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; use 1 or more")
        _require(self.local_stage in (2, 3), f"local_stage is {self.local_stage!r}; use 2 or 3")
        for turn in self.local_turns:
            _require(
                0.0 < abs(turn) <= MOST_TURN,
                f"local_turns holds {turn}; use -{MOST_TURN:g} to {MOST_TURN:g} degrees, not 0",
            )
        for width in self.extra_widths:
            _require(width >= 1, f"extra_widths holds {width}; use 1 or more")
        _require(0.0 <= self.dropout <= 1.0, f"dropout is {self.dropout}; use 0 to 1")
        for name in ("height", "width"):
            side = getattr(self, name)
            _require(side >= 32, f"the canvas' {name} is {side}; use 32 pixels or more")

    def to_dict(self) -> dict[str, Any]:
        """The arguments, JSON-ready."""
        return {
            **asdict(self),
            "extra_widths": list(self.extra_widths),
            "local_turns": list(self.local_turns),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Architecture:
        """The architecture that a model card names.

        Raises:
            CheckpointMismatch: If an argument is missing, unknown or out of range.
        """
        known = {entry.name for entry in fields(cls)}
        given = set(content) | _CAME_LATER
        if given != known:
            odd = ", ".join(sorted(given ^ known))
            raise CheckpointMismatch(
                f"the card's architecture has missing or unknown arguments: {odd}; "
                "use the sigvault that the model was made with, or retrain it"
            )
        try:
            return cls(**content)
        except (ConfigurationError, TypeError) as error:
            raise CheckpointMismatch(f"the card's architecture can't be built: {error}") from error


_CAME_LATER = frozenset({"local_stage", "local_turns"})
"""Arguments that older cards lack: they mean the default."""


def _member(kind: type[Choice], value: str, name: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise ConfigurationError(f"{name} is {value!r}; use one of {', '.join(kind)}") from None


def _require(fits: bool, message: str) -> None:
    if not fits:
        raise ConfigurationError(message)
