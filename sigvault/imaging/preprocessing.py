"""The one path from a decoded picture to what a model sees, for training and serving alike.

A model card names its recipe; what the name stands for is found here. ``sauvola-1`` keeps strokes
as thick as the pen drew them, ``onepen-2`` redraws their path by one pen, ``onepen-3`` takes ruled
lines off first, ``onepen-4`` besides follows strokes of a faint pen, and ``onepen-5`` takes rows of
print off, too; the others only show what leaks do, and never serve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from sigvault.domain.errors import ConfigurationError
from sigvault.imaging.prepared import PreparedSignature
from sigvault.imaging.sauvola import (
    DEFAULT_PREPROCESSING,
    FAINT,
    ONE_PEN,
    PLAIN,
    PRINTED,
    RULED,
    Preprocessing,
)
from sigvault.imaging.unharmonised import Fit, Unharmonised

Recipe = Preprocessing | Unharmonised
"""What turns a decoded picture into ink on a canvas."""

PEN = 2.2
"""The width of the one pen, in pixels of the canvas."""

TRACED_ROWS = 512
"""The least rows of the canvas that paths are traced on: about a scan's at 300 dpi."""

FAINT_K = 0.07
"""Sauvola's weight that strokes of faint pictures are followed by."""

LEAST_FINENESS = 4
"""How many times as fine as its own canvas that one is at least.

With three, the share of half tones fails a gate on SigComp 2011 (Dutch) on a canvas of 192 x 312.
"""

RECIPES = (PLAIN, ONE_PEN, RULED, FAINT, PRINTED, *(str(fit) for fit in Fit))
"""The names that can be asked for."""


def preprocessing_by_name(
    name: str,
    height: int = DEFAULT_PREPROCESSING.height,
    width: int = DEFAULT_PREPROCESSING.width,
) -> Recipe:
    """A recipe with its usual parameters.

    Args:
        name: such as ``"sauvola-1"``.
        height: of the canvas, in pixels.
        width: of the canvas, in pixels.

    Raises:
        ConfigurationError: If there is no such recipe.
    """
    if name == PLAIN:
        return Preprocessing(height=height, width=width)
    if name in {ONE_PEN, RULED, FAINT, PRINTED}:
        return Preprocessing(
            height=height,
            width=width,
            pen=PEN,
            fineness=max(LEAST_FINENESS, math.ceil(TRACED_ROWS / height)),
            ruled=name != ONE_PEN,
            faint_k=FAINT_K if name in {FAINT, PRINTED} else 0.0,
            printed=name == PRINTED,
        )
    if name in tuple(Fit):
        return Unharmonised(Fit(name), height, width)
    raise ConfigurationError(f"there is no preprocessing {name!r}: use one of {', '.join(RECIPES)}")


def read_preprocessing(card: Mapping[str, object]) -> Recipe:
    """The recipe, with its parameters, that a model card names.

    Args:
        card: as ``to_dict`` of a recipe gave it.

    Raises:
        CheckpointMismatch: If the recipe, its version or a parameter is not known here.
    """
    if card.get("name") in tuple(Fit):
        return Unharmonised.from_dict(card)
    return Preprocessing.from_dict(card)


def finer_canvas(recipe: Recipe, factor: int) -> Recipe:
    """The same recipe on a canvas of smaller pixels, such as to trace the pen's path on.

    Args:
        recipe: the recipe.
        factor: pixels of the finer canvas, in both directions, for one of the recipe's.
    """
    larger = replace(recipe, height=recipe.height * factor, width=recipe.width * factor)
    if isinstance(larger, Preprocessing):
        return replace(
            larger,
            margin=larger.margin * factor,
            max_scale=larger.max_scale * factor,
            pen=larger.pen * factor,
            fineness=max(1, larger.fineness // factor),
        )
    return larger


def pen_of(recipe: Recipe) -> float:
    """The width of the pen that a recipe redraws paths with, in canvas pixels; 0 if it doesn't."""
    return recipe.pen if isinstance(recipe, Preprocessing) else 0.0


__all__ = [
    "DEFAULT_PREPROCESSING",
    "RECIPES",
    "PreparedSignature",
    "Preprocessing",
    "Recipe",
    "finer_canvas",
    "pen_of",
    "preprocessing_by_name",
    "read_preprocessing",
]
