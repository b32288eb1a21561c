"""A hand's own version of a letterform."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sigvault.synthesis.letterforms import Letterform, Target
from sigvault.synthesis.style import Style


def deform(form: Letterform, style: Style, rng: np.random.Generator) -> Letterform:
    """Stretch a form, move its targets and round its bends as a hand does.

    Args:
        form: as drawn for this package.
        style: the hand's; ``own_shape`` says how far its forms depart from the drawn ones.
        rng: where the departure comes from.

    Returns:
        A form with as many targets; what is added later stays as it is.
    """
    spread = style.own_shape
    wide = float(np.exp(rng.normal(0, 1.5 * spread)))
    tall = float(np.exp(rng.normal(0, spread)))
    targets: list[Target] = []
    for x, y, bend in form.targets:
        turn = None
        if bend is not None:
            turn = bend * style.roundness * float(np.exp(rng.normal(0, 2 * spread)))
        place = (x * wide + rng.normal(0, spread), y * tall + rng.normal(0, spread))
        targets.append((*place, turn))
    return replace(form, targets=tuple(targets), width=form.width * wide)
