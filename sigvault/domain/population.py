"""The populations that synthetic signers are drawn from."""

from __future__ import annotations

from enum import StrEnum


class Population(StrEnum):
    """Which synthetic signers and forgers there are.

    ``DEMONSTRATION``: Latin names, steady hands and forgers of one kind; for demonstrations and
    tests. ``VARIED``: four scripts, variation within a signer fitted to recordings, sessions, and
    three levels of forger; for training and studies.
    """

    DEMONSTRATION = "demonstration"
    VARIED = "varied"
