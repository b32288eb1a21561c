"""The errors that a system is surest of: which pictures they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.answers import Answers
from sigvault.evaluation.protocols import DrawnProbes, Kind, SignerPairs

SHOWN = 4
"""So many errors of each kind."""


@dataclass(frozen=True)
class HardError:
    """A comparison that went wrong, and by how much.

    Attributes:
        kind: ``"mated"`` for a genuine signature that scored low, ``"random"`` or ``"skilled"``
            for a forgery that scored high.
        signer: the claimed signer.
        score: what it scored.
        probe: the probe's file.
        nearest: the file of the reference that it is most like, by cosine.
        wrong: whether the frozen threshold answered wrongly: a genuine signature not accepted,
            or a forgery accepted; None without a threshold.
    """

    kind: str
    signer: SignerId
    score: float
    probe: str
    nearest: str
    wrong: bool | None


def find_hardest(
    answers: Answers, pairs: Sequence[SignerPairs], drawn: DrawnProbes, *, shown: int = SHOWN
) -> tuple[HardError, ...]:
    """The lowest genuine scores and the highest of each kind of forgery, one a probe.

    Args:
        answers: on comparisons that were drawn from ``pairs``.
        pairs: with the files' names; nothing is found where they are unknown.
        drawn: which signatures the comparisons are about.
        shown: how many of each kind.
    """
    by_signer = {own.signer: own for own in pairs}
    if not all(by_signer[signer].files for signer in answers.comparisons.signers):
        return ()
    return tuple(
        error for kind in Kind for error in _of_kind(answers, by_signer, drawn, kind, shown)
    )


def _of_kind(
    answers: Answers,
    pairs: dict[SignerId, SignerPairs],
    drawn: DrawnProbes,
    kind: Kind,
    shown: int,
) -> Iterator[HardError]:
    scores = answers.comparisons
    rows = np.flatnonzero(scores.kind == kind)
    sign = 1.0 if kind is Kind.MATED else -1.0
    seen: set[tuple[int, int]] = set()
    for row in rows[np.argsort(sign * answers.score[rows], kind="stable")]:
        probe = int(scores.signer[row]), int(drawn.probe[row])
        if probe in seen:
            continue
        seen.add(probe)
        if len(seen) > shown:
            return
        own = pairs[scores.signers[probe[0]]]
        nearest = drawn.references[row, int(np.argmax(scores.cosine[row]))]
        wrong = None
        if answers.verdicts is not None:
            accepted = bool(answers.verdicts.margin[row] >= 0.0)
            wrong = accepted is not (kind is Kind.MATED)
        yield HardError(
            kind=kind.name.lower(),
            signer=own.signer,
            score=float(answers.score[row]),
            probe=own.files[probe[1]],
            nearest=own.files[int(nearest)],
            wrong=wrong,
        )
