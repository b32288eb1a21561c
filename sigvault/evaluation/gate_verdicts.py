"""When a statistic that tells genuine from forged is the writing itself.

The same statistic is measured after everything but the pen's path has been taken off the picture:
ink thinned to its skeleton and redrawn by one constant pen (`redraw_path`), so that neither tone
nor stroke width nor sharpness is left. It is explained if

- within each signer's pictures of one class it goes along with the original, by a correlation of
  at least 0.3 (Cohen's medium effect): it measures the same thing, and
- wherever the original's AUC exceeds 0.55, pooled or centred, it separates in the same direction,
  keeps at least half of the excess over 0.5, and loses at most 0.05 of AUC, which is all that the
  gate lets anything else have.

No list of names decides: the redrawn picture has no paper and one pen, so paper, tone and
thickness fail by themselves. The point value decides; the interval is shown beside it.

What this can't see: whatever moves the path itself. A scanner that stretches, broken strokes of a
faint pen and boxes of another size in the form look like writing. The share of signers who agree
in the direction helps to judge that, and so does the session test. If the preprocessing itself
redraws the path by one pen, both pictures are nearly the same and this says little.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sigvault.evaluation.leaks import GATE, Leak, Separation

MEASURES_THE_SAME = 0.3
"""Least correlation of a statistic with itself on the redrawn picture: Cohen's medium effect."""

KEEPS = 0.5
"""Least share of the excess over 0.5 that the path alone must have."""

LOSES = GATE - 0.5
"""Most AUC that the path alone may lack."""


class Verdict(StrEnum):
    """What became of one statistic.

    ``PASSED``: at most 0.55. ``EXPLAINED``: above, and shown to be the writing. ``FAILED``: above.
    """

    PASSED = "passed"
    EXPLAINED = "explained"
    FAILED = "failed"


@dataclass(frozen=True)
class GateStatistic:
    """One statistic of the ink as the model sees it.

    Attributes:
        seen: how well it separates.
        path: how well it does when only the pen's path is left.
        correlation: of both within each signer's pictures of one class, in [-1, 1].
        verdict: what became of it.
    """

    seen: Leak
    path: Leak
    correlation: float
    verdict: Verdict


def judge(seen: Leak, path: Leak, correlation: float) -> Verdict:
    """Whether a statistic passes, and if not, whether the path alone explains it.

    Args:
        seen: its leak on the picture as the model sees it.
        path: its leak when only the pen's path is left.
        correlation: of both within each signer's pictures of one class.
    """
    above = [
        (original, redrawn)
        for original, redrawn in ((seen.pooled, path.pooled), (seen.centred, path.centred))
        if original.auc > GATE
    ]
    if not above:
        return Verdict.PASSED
    explained = correlation >= MEASURES_THE_SAME and all(
        _excess_kept(original, redrawn) >= KEEPS * (original.auc - 0.5)
        and (original.auc - 0.5) - _excess_kept(original, redrawn) <= LOSES
        for original, redrawn in above
    )
    return Verdict.EXPLAINED if explained else Verdict.FAILED


def _excess_kept(original: Separation, redrawn: Separation) -> float:
    """The redrawn AUC's excess over 0.5, negative if it separates the other way."""
    excess = redrawn.auc - 0.5
    return excess if redrawn.forged_higher is original.forged_higher else -excess


def failed_statistics(statistics: Iterable[GateStatistic]) -> list[str]:
    """Each that failed, in plain words with its figures."""
    return [
        f"{one.seen.statistic} separates genuine from forged: {_figures(one)}"
        for one in statistics
        if one.verdict is Verdict.FAILED
    ]


def explained_statistics(statistics: Iterable[GateStatistic]) -> list[str]:
    """Each above 0.55 that is the writing itself, in plain words with its figures."""
    return [
        f"{one.seen.statistic} is in the pen's path: {_figures(one)};"
        f" {one.seen.agreeing:.0%} of signers agree in the direction"
        for one in statistics
        if one.verdict is Verdict.EXPLAINED
    ]


def _figures(one: GateStatistic) -> str:
    """AUCs above the gate, each with what the path alone has, and the correlation."""
    parts = []
    for kind, original, redrawn in (
        ("pooled", one.seen.pooled, one.path.pooled),
        ("within the signer", one.seen.centred, one.path.centred),
    ):
        if original.auc > GATE:
            chance = ", so chance is not ruled out" if original.low <= 0.5 else ""
            parts.append(
                f"AUC {original.auc:.3f} {kind} (95 % {original.low:.2f}–{original.high:.2f}"
                f"{chance}), {0.5 + _excess_kept(original, redrawn):.3f} with the path alone"
            )
    return f"{'; '.join(parts)}; correlation {one.correlation:.2f}"
