"""Independent streams of random numbers, one for each thing that is made."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for; keeps the streams apart. The values are part of every seed."""

    SIGNER = 0
    GENUINE = 1
    FORGER = 2
    FORGED = 3
    GENUINE_SCAN = 4
    FORGED_SCAN = 5
    VARIED_SIGNER = 6
    SESSION = 7
    DRIFT = 8
    GENUINE_CLUTTER = 9
    FORGED_CLUTTER = 10


def stream(seed: int, signer: int, purpose: Purpose, number: int = 0) -> np.random.Generator:
    """The random numbers for one thing.

    Args:
        seed: of the population, >= 0.
        signer: the signer's number, >= 0.
        purpose: what is made.
        number: which one of its kind, >= 0.

    Returns:
        A generator that doesn't depend on what else is made, or in which order.
    """
    key = (signer, int(purpose), number)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
