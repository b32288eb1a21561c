"""The alarm that a probe is perhaps a pasted picture of an enrolled signature."""

from __future__ import annotations

from sigvault.domain.comparison import ReferenceScore, Score, Threshold
from sigvault.domain.image import QualityFinding

COPY = "copy"
"""What the finding is called."""


def find_copy(threshold: Threshold, score: Score) -> tuple[QualityFinding, ...]:
    """One finding where a probe is too like one reference to be another signature; else none.

    Args:
        threshold: what decides.
        score: the probe against the claimed signer's references.
    """
    copied = threshold.copied(score)
    if copied is None or threshold.copy_limit is None:
        return ()
    number = score.per_reference.index(copied) + 1
    which = f"reference {number} ({copied.reference}){once_turned(copied)}"
    return (
        QualityFinding(
            name=COPY,
            value=copied.likest,
            limit=threshold.copy_limit,
            unit="local score",
            severe=False,
            message=f"stroke for stroke like {which}, perhaps a copy of that picture: nobody "
            "signs twice so alike, so it is not accepted; look at the paper itself",
        ),
    )


def once_turned(copied: ReferenceScore) -> str:
    """What to add where a reference is named as copied: by the probe as it is, or once turned."""
    return " once it is turned a little" if copied.likest > copied.local else ""
