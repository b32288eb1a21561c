"""By which protocol a model is measured, and what becomes of signers that it has seen."""

from __future__ import annotations

from enum import StrEnum


class Protocol(StrEnum):
    """The protocols by name.

    ``P0``: the gates alone. ``P1``: writer-independent verification, the headline. ``P2``: single
    pairs as the literature draws them. ``NOTEBOOK``: the seed notebook's own evaluation. ``P3``: a
    classifier for each signer. ``P4``: P1 with every choice carried over from another data set.
    ``P5``: disturbed probes.
    """

    P0 = "p0"
    P1 = "p1"
    P2 = "p2"
    NOTEBOOK = "notebook"
    P3 = "p3"
    P4 = "p4"
    P5 = "p5"


class Seen(StrEnum):
    """What to do with signers that the model was trained on.

    ``REFUSE``: refuse the whole set. ``LEAVE_OUT``: go on without them. ``INCLUDE``: go on with
    them, which the remarks then say loudly.
    """

    REFUSE = "refuse"
    LEAVE_OUT = "leave-out"
    INCLUDE = "include"
