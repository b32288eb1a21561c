"""What one generation makes of each comparison of a re-index's gate.

Each reference of a signer is compared with the signer's others (leave one out), and other signers'
references and skilled forgeries with the gallery without one of its references, so that the
threshold for one reference fewer applies to all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import Decision, Threshold, select_threshold
from sigvault.domain.embedding import Embedding
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Gallery, Spread
from sigvault.domain.identifiers import GenerationId, ModelId, SignerId
from sigvault.evaluation.error_rates import Floats
from sigvault.evaluation.pair_scores import PairScores, score_pairs

MOST_SIGNERS = 300
"""Signers compared at most, drawn at random: more narrow the intervals little and take longer."""

_PROBES = 3
"""References of a signer that are taken as probes; more if ``_MATED`` isn't reached by that."""

_STRANGERS = 20
"""Other signers' references that are compared with a gallery; more as above."""

_MATED, _RANDOM = _PROBES * MOST_SIGNERS, _STRANGERS * MOST_SIGNERS
"""Comparisons with the signer's own and with other signers' references, as far as there are any:
a small vault tells the more, the more of what it has is compared."""

DECISIONS = (Decision.REFUSE, Decision.REVIEW, Decision.ACCEPT)
"""The order in which flips are tabled."""


class Kind(StrEnum):
    """What a comparison is of."""

    MATED = "mated"
    RANDOM = "random"
    SKILLED = "skilled"


@dataclass(frozen=True, eq=False)
class Side:
    """One generation.

    Attributes:
        generation: its number.
        model: its model.
        galleries: by signer, with the same references in the same order as on the other side.
        thresholds: its own, frozen.
        forgeries: skilled forgeries of some of the signers, the same on both sides.
        held_out: thresholds that were made without the signer, for signers that ``thresholds`` were
            made from.
    """

    generation: GenerationId
    model: ModelId
    galleries: Mapping[SignerId, Gallery]
    thresholds: tuple[Threshold, ...]
    forgeries: Mapping[SignerId, Sequence[Embedding]] = field(default_factory=dict)
    held_out: Mapping[SignerId, tuple[Threshold, ...]] = field(default_factory=dict)

    def threshold_for(self, signer: SignerId, references: int) -> Threshold | None:
        """By which it decides about so many references of a signer; None if it can't."""
        return select_threshold(self.held_out.get(signer, self.thresholds), references)


@dataclass(frozen=True)
class Comparisons:
    """What is compared with one signer's gallery.

    Attributes:
        signer: whose.
        probes: places of the references that are taken as probes.
        left_out: the place that is left out when strangers are compared.
        strangers: other signers and the places of their references.
    """

    signer: SignerId
    probes: tuple[int, ...]
    left_out: int
    strangers: tuple[tuple[SignerId, int], ...]


@dataclass(frozen=True, eq=False)
class Measured:
    """One side's answers about one gallery.

    Attributes:
        kinds: of each comparison.
        beyond: float64 (N,): its score less the accept point.
        decisions: int8 (N,): its place in ``DECISIONS``.
        llrs: float64 (N,): log10 likelihood ratio.
    """

    kinds: npt.NDArray[np.str_]
    beyond: Floats
    decisions: npt.NDArray[np.int8]
    llrs: Floats


def plan_comparisons(side: Side, able: Sequence[SignerId], seed: int) -> list[Comparisons]:
    """Draw what is compared; the same for the same signers and seed."""
    rng = np.random.default_rng(seed)
    if len(able) > MOST_SIGNERS:
        able = [able[place] for place in sorted(rng.choice(len(able), MOST_SIGNERS, replace=False))]
    everybody = list(side.galleries)
    plan = []
    for signer in able:
        probes = rng.permutation(len(side.galleries[signer].references))
        probes = probes[: max(_PROBES, -(-_MATED // len(able)))]
        others = [other for other in rng.permutation(len(everybody)) if everybody[other] != signer]
        strangers = _strangers(
            side, [everybody[other] for other in others], -(-_RANDOM // len(able)), rng
        )
        plan.append(
            Comparisons(signer, tuple(int(one) for one in probes), int(probes[0]), tuple(strangers))
        )
    return plan


def _strangers(
    side: Side, others: Sequence[SignerId], wanted: int, rng: np.random.Generator
) -> list[tuple[SignerId, int]]:
    """References of so many other signers; several of each where there are too few signers."""
    counts = [len(side.galleries[other].references) for other in others[:wanted]]
    if wanted <= len(others):
        return [
            (other, int(rng.integers(count)))
            for other, count in zip(others[:wanted], counts, strict=True)
        ]
    every = [
        (other, place)
        for other, count in zip(others, counts, strict=True)
        for place in range(count)
    ]
    return [every[one] for one in rng.permutation(len(every))[:wanted]]


def measure_gallery(side: Side, comparisons: Comparisons) -> Measured:
    """One side's answers to what is compared with one signer's gallery.

    Raises:
        ValueError: If it has no threshold for one reference fewer.
    """
    gallery = side.galleries[comparisons.signer]
    enrolled = [reference.embedding for reference in gallery.references]
    threshold = side.threshold_for(comparisons.signer, len(enrolled) - 1)
    if threshold is None:
        raise ValueError(f"generation {side.generation} can't decide without one more reference")
    tests = [(Kind.MATED, enrolled[place], place) for place in comparisons.probes]
    tests += [
        (Kind.RANDOM, side.galleries[other].references[place].embedding, comparisons.left_out)
        for other, place in comparisons.strangers
    ]
    tests += [
        (Kind.SKILLED, forgery, comparisons.left_out)
        for forgery in side.forgeries.get(comparisons.signer, ())
    ]
    kinds = np.array([kind for kind, _, _ in tests])
    scores = _scores(enrolled, [(probe, without) for _, probe, without in tests], threshold.fusion)
    return Measured(
        kinds,
        np.array([score - threshold.accept for score in scores]),
        np.array([DECISIONS.index(threshold.decide(score)) for score in scores], np.int8),
        np.array([threshold.likelihood_ratio.llr(score) for score in scores]),
    )


def _scores(
    enrolled: Sequence[Embedding], tests: Sequence[tuple[Embedding, int]], fusion: FusionRule
) -> list[float]:
    """The fused score of each probe against the gallery without the reference at a place.

    All strokes are matched at once, also those of the references that are left out.
    """
    alike = score_pairs(enrolled, enrolled)
    pairs = score_pairs(enrolled, [probe for probe, _ in tests])
    kept = {}
    for place in {without for _, without in tests}:
        left = [other for other in range(len(enrolled)) if other != place]
        kept[place] = left, _spread(alike, left)
    scores = []
    for column, (_, without) in enumerate(tests):
        left, spread = kept[without]
        cosine, local = pairs.cosine[left, column], pairs.local[left, column]
        scores.append(fusion.fuse(cosine.tolist(), local.tolist(), spread))
    return scores


def _spread(alike: PairScores, left: list[int]) -> Spread | None:
    """How alike the references that are left are; None for one."""
    if len(left) < 2:
        return None
    chosen, upper = np.ix_(left, left), np.triu_indices(len(left), 1)
    return Spread(
        float(alike.cosine[chosen][upper].mean()), float(alike.local[chosen][upper].mean())
    )
