"""Protocol P2, the seed notebook's own evaluation, for comparison with what it printed.

Random triplets over a fifth of the signers. It is kept as it was, with its two flaws: forgeries
count as positives, and the threshold is chosen on the pairs that it is judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import Rate
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.error_rates import (
    Floats,
    SignerScores,
    bootstrap_statistic,
    det_curve,
    fmr_at,
    fnmr_at,
)
from sigvault.evaluation.protocols import EvaluationSigner

MARGIN = 0.5
"""The notebook's triplet margin, a Euclidean distance of unit vectors."""

TEST_SHARE = 0.2
SPLIT_SEED = 42

CAVEAT = (
    "A replica of the seed notebook's evaluation, not an error rate: positives include skilled "
    "forgeries of the signer, so accepting a forgery counts as right, and the threshold is chosen "
    "on the pairs that it is judged by."
)

Statistic = Callable[[Floats, Floats], float]


@dataclass(frozen=True)
class NotebookResult:
    """What the notebook's evaluation says of a model, each figure with its interval over signers.

    Attributes:
        signers: the test signers, sorted.
        triplets: how many triplets were drawn, one an image.
        forged_positives: how many of their positives are skilled forgeries: the flaw, counted.
        seed: of the triplets and of the intervals.
        loss: the mean triplet loss at ``MARGIN``.
        positive_distance: the mean Euclidean distance from anchor to positive, in [0, 2].
        negative_distance: the mean Euclidean distance from anchor to negative, in [0, 2].
        auc: area under the ROC curve, positives against negatives.
        eer: the mean of FPR and FNR where they lie closest together.
        threshold: the distance there: pairs no further apart count as one signer's.
        accuracy: the share of pairs told right at that threshold, chosen on the same pairs.
        precision: the share of positives among the pairs accepted there.
        recall: the share of positives accepted there.
        replica: always true: not to be read as an error rate of the system.
        caveat: the sentence that a report must print beside the figures.
    """

    signers: tuple[SignerId, ...]
    triplets: int
    forged_positives: int
    seed: int
    loss: Rate
    positive_distance: Rate
    negative_distance: Rate
    auc: Rate
    eer: Rate
    threshold: float
    accuracy: Rate
    precision: Rate
    recall: Rate
    replica: bool = True
    caveat: str = CAVEAT


def notebook_split(
    signers: Sequence[SignerId],
) -> tuple[tuple[SignerId, ...], tuple[SignerId, ...]]:
    """The notebook's training and test signers: scikit-learn's split of the sorted integer ids.

    Args:
        signers: at least two names, all of them whole numbers.

    Returns:
        Training signers and test signers, each in numerical order.

    Raises:
        DatasetError: If there are too few signers, or a name is no whole number.
    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - slow to import

    odd = [signer for signer in signers if not signer.isdecimal()]
    if odd or len(signers) < 2:
        raise DatasetError(
            f"the notebook's split takes two or more signers with whole numbers for names, not "
            f"{len(signers)} named {', '.join(signers[:3])}: choose another protocol"
        )
    ordered = sorted(signers, key=int)
    training, test = train_test_split(ordered, test_size=TEST_SHARE, random_state=SPLIT_SEED)
    return tuple(sorted(training, key=int)), tuple(sorted(test, key=int))


def run_notebook_protocol(
    signers: Sequence[EvaluationSigner], *, seed: int = 0, bootstraps: int = 200
) -> NotebookResult:
    """Evaluate as the notebook does.

    Args:
        signers: the test signers, see `notebook_split`; those without images are left out.
        seed: of the triplets and of the resampling of signers.
        bootstraps: how many times signers are resampled for the intervals.

    Raises:
        DatasetError: If fewer than two signers have two images.
    """
    drawn = draw_triplets(signers, seed=seed)
    scores = SignerScores(
        tuple(-own.positive for own in drawn), tuple(-own.negative for own in drawn)
    )
    losses = tuple(np.maximum(0.0, own.positive - own.negative + MARGIN) for own in drawn)

    def rate(statistic: Statistic, of: SignerScores = scores) -> Rate:
        return bootstrap_statistic(statistic, of, bootstraps=bootstraps, seed=seed)

    return NotebookResult(
        signers=tuple(own.signer for own in drawn),
        triplets=sum(len(own.positive) for own in drawn),
        forged_positives=sum(own.forged_positives for own in drawn),
        seed=seed,
        loss=rate(lambda values, _: float(values.mean()), SignerScores(losses, losses)),
        positive_distance=rate(lambda mated, _: -float(mated.mean())),
        negative_distance=rate(lambda _, others: -float(others.mean())),
        auc=rate(area_under_curve),
        eer=rate(lambda mated, others: nearest_rates(mated, others).rate),
        threshold=-nearest_rates(scores.all_mated, scores.all_non_mated).threshold,
        accuracy=rate(_accuracy),
        precision=rate(_precision),
        recall=rate(_recall),
    )


@dataclass(frozen=True, eq=False)
class SignerTriplets:
    """One signer's triplets, one for each image.

    Attributes:
        signer: whose.
        positive: float64 (n,): Euclidean distances from the anchors to their positives.
        negative: float64 (n,): the same to their negatives.
        forged_positives: how many of the positives are skilled forgeries.
    """

    signer: SignerId
    positive: Floats
    negative: Floats
    forged_positives: int


def draw_triplets(
    signers: Sequence[EvaluationSigner], *, seed: int = 0
) -> tuple[SignerTriplets, ...]:
    """One random triplet for each image, forged ones too.

    The positive is any other image of the signer, forged ones too; the negative is one of the
    signer's forgeries or any image of somebody else, never the anchor itself.

    Raises:
        DatasetError: If fewer than two signers have two images.
    """
    usable = [own for own in signers if len(own.genuine) + len(own.forged) >= 2]
    if len(usable) < 2:
        raise DatasetError(
            f"{len(usable)} signers have two images, and random triplets take at least two such "
            "signers: give more signatures"
        )
    rng = np.random.default_rng(seed)
    vectors = np.stack([e.vector for own in usable for e in (*own.genuine, *own.forged)])
    owner = np.repeat(np.arange(len(usable)), [len(o.genuine) + len(o.forged) for o in usable])
    forged = np.concatenate(
        [np.arange(len(o.genuine) + len(o.forged)) >= len(o.genuine) for o in usable]
    )
    return tuple(
        _triplets_of(own.signer, owner == place, forged, vectors, rng)
        for place, own in enumerate(usable)
    )


def _triplets_of(
    signer: SignerId,
    mine: npt.NDArray[np.bool_],
    forged: npt.NDArray[np.bool_],
    vectors: npt.NDArray[np.float32],
    rng: np.random.Generator,
) -> SignerTriplets:
    anchors, others = np.flatnonzero(mine), np.flatnonzero(~mine | forged)
    positives = np.array([rng.choice(anchors[anchors != anchor]) for anchor in anchors])
    negatives = np.array([rng.choice(others[others != anchor]) for anchor in anchors])
    return SignerTriplets(
        signer,
        _distances(vectors[anchors], vectors[positives]),
        _distances(vectors[anchors], vectors[negatives]),
        int(forged[positives].sum()),
    )


def _distances(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> Floats:
    apart: Floats = np.linalg.norm(one.astype(np.float64) - other, axis=1)
    return apart


class NearestRates(NamedTuple):
    """The operating point at which the two error rates lie closest together.

    Attributes:
        rate: the mean of the two, in [0, 1].
        threshold: the score there.
    """

    rate: float
    threshold: float


def nearest_rates(mated: Floats, non_mated: Floats) -> NearestRates:
    """The equal error rate in the notebook's manner, without interpolation."""
    curve = det_curve(mated, non_mated)
    place = int(np.argmin(np.abs(curve.fnmr - curve.fmr)))
    return NearestRates(
        float(0.5 * (curve.fnmr[place] + curve.fmr[place])), float(curve.thresholds[place])
    )


def area_under_curve(mated: Floats, non_mated: Floats) -> float:
    """The share of (mated, non-mated) pairs in the right order, ties counting half."""
    ordered = np.sort(non_mated)
    below = np.searchsorted(ordered, mated, "left") + np.searchsorted(ordered, mated, "right")
    return float(0.5 * below.mean() / len(ordered))


def _accepted(mated: Floats, non_mated: Floats) -> tuple[float, float]:
    """How many (mated, non-mated) pairs pass at the threshold chosen on them."""
    threshold = nearest_rates(mated, non_mated).threshold
    return (
        len(mated) * (1.0 - fnmr_at(mated, threshold)),
        len(non_mated) * fmr_at(non_mated, threshold),
    )


def _accuracy(mated: Floats, non_mated: Floats) -> float:
    right, wrong = _accepted(mated, non_mated)
    return (right + len(non_mated) - wrong) / (len(mated) + len(non_mated))


def _precision(mated: Floats, non_mated: Floats) -> float:
    right, wrong = _accepted(mated, non_mated)
    return right / (right + wrong) if right + wrong else 0.0


def _recall(mated: Floats, non_mated: Floats) -> float:
    return _accepted(mated, non_mated)[0] / len(mated)
