"""Whose numbers of references a threshold was measured with, against what a gallery holds."""

from __future__ import annotations

from sigvault.domain.comparison import Threshold


def describe_fit(threshold: Threshold, held: int) -> str:
    """What must be said where a gallery holds another number of references than was measured.

    Args:
        threshold: the one that decides, as `sigvault.domain.comparison.select_threshold` chose it.
        held: how many references the gallery holds.

    Returns:
        A clause without a full stop; empty where the numbers are the same.
    """
    measured = threshold.references
    if held == measured:
        return ""
    if held > measured:
        return (
            f"measured with {measured}, while the signer has {held}: scores rise with more "
            "references, so more forgeries may pass than was measured"
        )
    return (
        f"nothing was measured with the {held} that the signer has: of the numbers next to it, "
        f"{measured} is the stricter one"
    )
