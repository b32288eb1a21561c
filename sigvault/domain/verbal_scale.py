"""Likelihood ratios in words."""

from __future__ import annotations

VERBAL_SCALE: tuple[tuple[float, str], ...] = (
    (6.0, "extremely strong support"),
    (4.0, "very strong support"),
    (3.0, "strong support"),
    (2.0, "moderately strong support"),
    (1.0, "moderate support"),
    (0.30103, "weak support"),
)
"""Least absolute base-10 LLR and its words, after the ENFSI guideline for evaluative reporting
in forensic science (2015), appendix on verbal equivalents; 0.30103 is a ratio of 2."""


def describe_llr(llr: float, signer: str = "the claimed signer") -> str:
    """Say a base-10 log-likelihood ratio in words, with the direction of the support.

    Args:
        llr: base-10 log-likelihood ratio.
        signer: what to call the signer compared with, where nobody is claimed.
    """
    for least, words in VERBAL_SCALE:
        if abs(llr) >= least:
            side = f"{signer} wrote it" if llr > 0 else "somebody else wrote it"
            return f"{words} that {side}"
    return "no support either way"
