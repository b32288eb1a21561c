"""Protocol P3, a classifier for each signer.

Hafemann, Sabourin, Oliveira: Learning features for offline handwritten signature verification
using deep convolutional neural networks, Pattern Recognition 2017, section 4, as the authors'
package sigver does it.

Signers are dealt into folds. Each fold's signers are exploited in turn: a support vector machine
learns each signer's references against genuine signatures of the development signers, all others.
No forgery is ever learnt from, and no threshold is set on exploited signers, but for the oracle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from sigvault.domain.comparison import Rate
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.error_rates import (
    EqualErrorRate,
    Floats,
    SignerScores,
    bootstrap_statistic,
    equal_error,
    equal_error_rate,
    fmr_rate,
    fnmr_rate,
)
from sigvault.evaluation.protocols import RANDOM_FORGERIES, EvaluationSigner, draw_some

SIGVER_GAMMA = 2.0**-11
SIGVER_C = 1.0

CAVEAT = (
    "A replica of the sigver protocol with a classifier for each signer, which sigvault does not "
    "ship; the error rate with per-signer thresholds is an oracle, chosen on the test scores."
)


class Gamma(StrEnum):
    """The width of the radial basis function, on features divided by their deviation, as in sigver.

    ``LITERAL``: 2^-11, the publication's number, whatever the dimension. ``SCALE``: restated for
    the features at hand, one over their dimension, which 2^-11 is for the publication's 2,048:
    two features of variance 1 then lie as far apart, in the kernel's eyes, whatever D.
    """

    LITERAL = "literal"
    SCALE = "scale"


@dataclass(frozen=True)
class WriterDependent:
    """The protocol's numbers.

    Attributes:
        references: genuine signatures that each classifier learns from.
        tests: genuine signatures, at most, that it is tested with.
        negatives: genuine signatures of each development signer that it learns from.
        random_forgeries: genuine signatures of other exploited signers that it is tested with.
        folds: into how many parts signers are dealt; each is exploited once.
        draws: how often references and negatives are drawn.
        threshold_draws: the same, for the thresholds that are set on development signers.
        gamma: the width of the radial basis function.
        seed: of the folds, the draws and the intervals.
    """

    references: int = 12
    tests: int = 10
    negatives: int = 14
    random_forgeries: int = RANDOM_FORGERIES
    folds: int = 5
    draws: int = 10
    threshold_draws: int = 1
    gamma: Gamma = Gamma.SCALE
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: If a number is too small.
        """
        for name in ("references", "tests", "negatives", "draws", "threshold_draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: use 1 or more")
        if self.folds < 2:
            raise ValueError(f"folds is {self.folds}: use 2 or more")


@dataclass(frozen=True)
class WriterDependentResult:
    """Error rates of a classifier for each signer, with intervals over signers.

    Attributes:
        protocol: the numbers; its gamma says which width was used.
        signers: the signers, each exploited once.
        skipped: signers with too few genuine signatures or without forgeries.
        mated: comparisons with the signers' own signatures.
        skilled: comparisons with skilled forgeries.
        random: comparisons with random forgeries.
        skilled_eer: with one threshold for all signers, chosen afterwards.
        random_eer: the same against random forgeries.
        oracle_skilled_eer: the mean over signers and draws with a threshold for each, chosen on
            the test scores: an oracle, as in the publications.
        frozen_fnmr: at thresholds set beforehand on development signers, skilled forgeries' EER.
        frozen_skilled_fmr: skilled forgeries accepted there.
        frozen_fmr: random forgeries accepted there.
        thresholds: those thresholds, one a fold.
        replica: always true: for comparison with publications alone.
        caveat: the sentence that a report must print beside the figures.
    """

    protocol: WriterDependent
    signers: tuple[SignerId, ...]
    skipped: tuple[SignerId, ...]
    mated: int
    skilled: int
    random: int
    skilled_eer: EqualErrorRate
    random_eer: EqualErrorRate
    oracle_skilled_eer: Rate
    frozen_fnmr: Rate
    frozen_skilled_fmr: Rate
    frozen_fmr: Rate
    thresholds: tuple[float, ...]
    replica: bool = True
    caveat: str = CAVEAT


@dataclass(frozen=True, eq=False)
class Fold:
    """Who is learnt from and who is tested; disjoint.

    Attributes:
        development: signers for negatives and thresholds.
        exploitation: signers who get a classifier.
    """

    development: tuple[EvaluationSigner, ...]
    exploitation: tuple[EvaluationSigner, ...]

    def __post_init__(self) -> None:
        """Check that nobody is in both.

        Raises:
            ValueError: If a signer is.
        """
        both = {o.signer for o in self.development} & {o.signer for o in self.exploitation}
        if both:
            raise ValueError(f"in development and exploitation: {', '.join(sorted(both))}")


@dataclass(frozen=True, eq=False)
class ClassifierScores:
    """One signer's test scores in one draw: signed distances from the decision surface.

    Attributes:
        signer: whose classifier.
        mated: float64 (n,).
        skilled: float64 (m,).
        random: float64 (k,).
    """

    signer: SignerId
    mated: Floats
    skilled: Floats
    random: Floats


def run_writer_dependent(
    signers: Sequence[EvaluationSigner], protocol: WriterDependent | None = None
) -> WriterDependentResult:
    """Teach and test a classifier for each signer, by the global vectors alone.

    Args:
        signers: of one data set, none of which the network was trained on.
        protocol: the numbers; those of sigver if None.

    Raises:
        DatasetError: If there are too few signers for the folds.
    """
    chosen = protocol or WriterDependent()
    folds = deal_folds(signers, chosen)
    scores: list[ClassifierScores] = []
    shifted: list[ClassifierScores] = []
    thresholds = []
    for fold in folds:
        threshold = development_threshold(fold, chosen)
        thresholds.append(threshold)
        for one in exploit(fold, chosen, draws=chosen.draws):
            scores.append(one)
            shifted.append(_shift(one, threshold))
    skilled, random = _by_signer(scores, chosen.draws)
    frozen_skilled, frozen_random = _by_signer(shifted, chosen.draws)
    tested = tuple(own.signer for fold in folds for own in fold.exploitation)
    return WriterDependentResult(
        protocol=chosen,
        signers=tested,
        skipped=tuple(own.signer for own in signers if own.signer not in set(tested)),
        mated=len(skilled.all_mated),
        skilled=len(skilled.all_non_mated),
        random=len(random.all_non_mated),
        skilled_eer=equal_error_rate(skilled, seed=chosen.seed),
        random_eer=equal_error_rate(random, seed=chosen.seed),
        oracle_skilled_eer=_oracle(scores, chosen.seed),
        frozen_fnmr=fnmr_rate(frozen_skilled, 0.0, seed=chosen.seed),
        frozen_skilled_fmr=fmr_rate(frozen_skilled, 0.0, seed=chosen.seed),
        frozen_fmr=fmr_rate(frozen_random, 0.0, seed=chosen.seed),
        thresholds=tuple(thresholds),
    )


def deal_folds(signers: Sequence[EvaluationSigner], protocol: WriterDependent) -> tuple[Fold, ...]:
    """Deal the signers that have enough signatures into folds, each exploited once.

    Raises:
        DatasetError: If there are fewer than two signers a fold, or names occur twice.
    """
    if len({own.signer for own in signers}) < len(signers):
        raise DatasetError("a signer is listed twice: name signers apart by their data set")
    usable = [own for own in signers if len(own.genuine) > protocol.references and own.forged]
    if len(usable) < 2 * protocol.folds:
        raise DatasetError(
            f"{len(usable)} of {len(signers)} signers have {protocol.references + 1} genuine "
            f"signatures and a forgery, and {protocol.folds} folds take {2 * protocol.folds} such "
            "signers: give more signatures, or ask for fewer references or folds"
        )
    order = np.random.default_rng(protocol.seed).permutation(len(usable))
    parts = [set(part.tolist()) for part in np.array_split(order, protocol.folds)]
    return tuple(
        Fold(
            tuple(own for place, own in enumerate(usable) if place not in part),
            tuple(own for place, own in enumerate(usable) if place in part),
        )
        for part in parts
    )


def development_threshold(fold: Fold, protocol: WriterDependent) -> float:
    """The skilled forgeries' equal error threshold among the development signers themselves.

    Each of them gets a classifier against the other development signers; exploited signers are
    never looked at.
    """
    scores: list[ClassifierScores] = []
    for place, own in enumerate(fold.development):
        others = fold.development[:place] + fold.development[place + 1 :]
        scores += exploit(Fold(others, (own,)), protocol, draws=protocol.threshold_draws)
    mated = np.concatenate([one.mated for one in scores])
    return equal_error(mated, np.concatenate([one.skilled for one in scores])).threshold


def exploit(fold: Fold, protocol: WriterDependent, *, draws: int) -> Iterator[ClassifierScores]:
    """Teach and test a classifier for each exploited signer and draw.

    A signer's draws depend on the seed and the names alone.
    """
    for own in fold.exploitation:
        others = [other for other in fold.exploitation if other is not own]
        strangers = [embedding for other in others for embedding in other.genuine]
        for draw in range(draws):
            rng = np.random.default_rng([protocol.seed, draw, *own.signer.encode()])
            order = rng.permutation(len(own.genuine))
            learnt, tested = np.split(order, [protocol.references])
            negatives = [
                embedding
                for other in fold.development
                for embedding in draw_some(other.genuine, protocol.negatives, rng)
            ]
            random = draw_some(strangers, protocol.random_forgeries, rng)
            yield _teach_and_test(
                own,
                (_vectors([own.genuine[k] for k in learnt]), _vectors(negatives)),
                _vectors([own.genuine[k] for k in tested[: protocol.tests]]),
                _vectors(random) if random else None,
                protocol.gamma,
            )


def _teach_and_test(
    own: EvaluationSigner,
    lesson: tuple[Floats, Floats],
    tested: Floats,
    random: Floats | None,
    gamma: Gamma,
) -> ClassifierScores:
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - slow to import
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    references, negatives = lesson
    machine = make_pipeline(
        StandardScaler(with_mean=False),
        SVC(
            C=SIGVER_C,
            kernel="rbf",
            gamma=SIGVER_GAMMA if gamma is Gamma.LITERAL else 1.0 / references.shape[1],
            class_weight={1: len(negatives) / len(references)},
        ),
    )
    labels = np.repeat([1, -1], [len(references), len(negatives)])
    machine.fit(np.concatenate([references, negatives]), labels)
    return ClassifierScores(
        own.signer,
        machine.decision_function(tested),
        machine.decision_function(_vectors(own.forged)),
        np.empty(0) if random is None else machine.decision_function(random),
    )


def _vectors(embeddings: Sequence[Embedding]) -> Floats:
    return np.stack([embedding.vector for embedding in embeddings]).astype(np.float64)


def _shift(scores: ClassifierScores, threshold: float) -> ClassifierScores:
    """Scores less their fold's threshold, so that 0 is every fold's."""
    return ClassifierScores(
        scores.signer,
        scores.mated - threshold,
        scores.skilled - threshold,
        scores.random - threshold,
    )


def _by_signer(scores: Sequence[ClassifierScores], draws: int) -> tuple[SignerScores, SignerScores]:
    """All draws of each signer, (against skilled forgeries, against random ones)."""
    own: dict[SignerId, list[ClassifierScores]] = {}
    for one in scores:
        own.setdefault(one.signer, []).append(one)
    mated = tuple(np.concatenate([one.mated for one in each]) for each in own.values())
    skilled = tuple(np.concatenate([one.skilled for one in each]) for each in own.values())
    random = tuple(np.concatenate([one.random for one in each]) for each in own.values())
    return SignerScores(mated, skilled, draws), SignerScores(mated, random, draws)


def _oracle(scores: Sequence[ClassifierScores], seed: int) -> Rate:
    rates: dict[SignerId, list[float]] = {}
    for one in scores:
        rates.setdefault(one.signer, []).append(equal_error(one.mated, one.skilled).rate)
    values = tuple(np.array(each) for each in rates.values())
    return bootstrap_statistic(
        lambda each, _: float(each.mean()), SignerScores(values, values), seed=seed
    )
