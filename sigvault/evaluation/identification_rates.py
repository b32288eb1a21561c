"""Error rates of identification (1:N): whose is it, and is it anybody's?

Every signer's gallery of R drawn references is enrolled, and each remaining genuine signature is
searched for among all galleries, which are compared in full: no shortlist comes between. Closed
set: how often the signer is among the first k candidates. Open set (ISO/IEC 19795-1): the false
negative identification rate (FNIR) over mated searches, and the false positive identification
rate (FPIR) over searches by somebody who is not enrolled.

Candidates rank by fused score: all galleries hold as many references, and there a vault's order,
by decision and likelihood ratio, is the same. What galleries of different sizes do isn't measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.aims import RULE_OF_THREE
from sigvault.domain.comparison import Rate
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    Floats,
    SignerScores,
    allow_for_clean,
    clustered_share,
    threshold_at_fmr,
)
from sigvault.evaluation.pair_scores import PairScores, score_pairs
from sigvault.evaluation.protocols import (
    ComparisonScores,
    EvaluationSigner,
    Kind,
    apply_fusion,
    draw_references,
)
from sigvault.evaluation.resampled_curves import fnmr_at_fmr, resample_curve

Places = npt.NDArray[np.int64]

RANKS = (1, 2, 3, 5, 10, 20)
"""The lengths of the candidate list at which identification is reported."""

FIXED_FPIR = (0.01, 0.05, 0.1)
"""The false positive identification rates at which the other error is reported."""

_MISSED = -3.0
"""Below any fused score: what a search is worth that puts another signer first."""


@dataclass(frozen=True)
class RankRate:
    """One point of the cumulative match characteristic (CMC).

    Attributes:
        rank: k, the length of the candidate list.
        identified: the share of mated searches whose signer is among the first k candidates.
    """

    rank: int
    identified: Rate


@dataclass(frozen=True)
class FixedFpir:
    """The misses where strangers are taken for somebody at a given rate.

    Attributes:
        aim: the largest share of non-mated searches that may bring up a candidate, in [0, 1].
        threshold: the lowest score at which that holds; found on these same searches.
        fnir: the share of mated searches that miss there; each resampling of signers finds a
            threshold of its own, so the interval includes that choice.
        supported: whether there are at least 3 / aim distinct non-mated searches, by the rule of
            three: with fewer, the threshold rests on none or next to none.
    """

    aim: float
    threshold: float
    fnir: Rate
    supported: bool


@dataclass(frozen=True)
class FrozenIdentification:
    """The errors at a threshold that was fixed beforehand, on other signers.

    Attributes:
        threshold: candidates of at least this score count.
        fpir: the share of non-mated searches that bring up a candidate.
        fnir: the share of mated searches that miss.
    """

    threshold: float
    fpir: Rate
    fnir: Rate


@dataclass(frozen=True)
class IdentificationRates:
    """How well signers are found among all that are enrolled.

    Attributes:
        references: R, how many references each gallery holds.
        signers: how many signers are enrolled; the rates hold for so many.
        skipped: signers with too few genuine signatures for R references and a probe.
        draws: how often references were drawn.
        searches: how many mated searches there were, all draws together; as many non-mated.
        cmc: identification rates by rank, as far as there are signers.
        open_set: misses at fixed false positive identification rates.
        frozen: errors at the threshold that was given; None without one.
    """

    references: int
    signers: int
    skipped: tuple[SignerId, ...]
    draws: int
    searches: int
    cmc: tuple[RankRate, ...]
    open_set: tuple[FixedFpir, ...]
    frozen: FrozenIdentification | None


def measure_identification(
    signers: Sequence[EvaluationSigner],
    rule: FusionRule,
    references: int,
    *,
    draws: int = 1,
    seed: int = 0,
    bootstraps: int = BOOTSTRAPS,
    threshold: float | None = None,
) -> IdentificationRates:
    """Measure identification among all signers with enough genuine signatures.

    References are drawn as ``draw_comparisons`` draws them, and scores are fused as in
    verification, each gallery's own spread included. A mated search misses if its signer does
    not lead the candidates alone, or leads them below the threshold. Non-mated searches are the
    same probes with their own signer's gallery taken out, so that one signer fewer is enrolled;
    skilled forgeries are not searched for. Intervals resample the signers whose probes are
    searched for; who is enrolled stays the same, since nobody can be enrolled twice.

    Args:
        signers: of one data set, each once.
        rule: how scores are fused.
        references: R, at least 1.
        draws: how often references are drawn.
        seed: of the draws and of the resampling.
        bootstraps: how many times signers are resampled.
        threshold: fixed beforehand, such as that of verification with R references; or None.

    Raises:
        DatasetError: If fewer than two signers have R + 1 genuine signatures, or two signers
            have the same name.
        GenerationMismatch: If two models made the embeddings.
        ValueError: If ``references`` or ``draws`` is below 1.
    """
    enrolled = _choose_enrolled(signers, references, draws)
    searches = _search_all(enrolled, rule, references, draws, seed)
    return IdentificationRates(
        references=references,
        signers=len(enrolled),
        skipped=tuple(own.signer for own in signers if len(own.genuine) <= references),
        draws=draws,
        searches=len(searches.owner),
        cmc=tuple(
            RankRate(rank, searches.share(searches.rank <= rank, bootstraps, seed))
            for rank in RANKS
            if rank <= len(enrolled)
        ),
        open_set=tuple(_fix_fpir(searches, bootstraps, seed)),
        frozen=None
        if threshold is None
        else FrozenIdentification(
            threshold=threshold,
            fpir=searches.share(searches.other >= threshold, bootstraps, seed),
            fnir=searches.share(searches.missed(threshold), bootstraps, seed),
        ),
    )


@dataclass(frozen=True, eq=False)
class _Searches:
    """N probes, each searched for with and without its own signer's gallery.

    Attributes:
        signers: how many signers are enrolled.
        draws: how often references were drawn.
        owner: int64 (N,): the place of the signer whose probe it is.
        mate: float64 (N,): the fused score with the own signer's gallery.
        other: float64 (N,): the best fused score with any other gallery.
        rank: int64 (N,): the own signer's place among the candidates, from 1; ties count
            against it.
    """

    signers: int
    draws: int
    owner: Places
    mate: Floats
    other: Floats
    rank: Places

    def missed(self, threshold: float) -> npt.NDArray[np.bool_]:
        """Whether each mated search comes up without its signer, bool (N,)."""
        return (self.rank > 1) | (self.mate < threshold)

    def share(self, happened: npt.NDArray[np.bool_], bootstraps: int, seed: int) -> Rate:
        """The share of searches bool (N,) in which something happened."""
        counts = np.bincount(self.owner, happened, self.signers).astype(int)
        totals = np.bincount(self.owner, minlength=self.signers)
        return clustered_share(counts.tolist(), totals.tolist(), self.draws, bootstraps, seed)

    def by_signer(self) -> SignerScores:
        """Misses and false candidates as scores: at any threshold FNMR is FNIR, FMR is FPIR."""
        worth = np.where(self.rank > 1, _MISSED, self.mate)
        rows = [self.owner == place for place in range(self.signers)]
        return SignerScores(
            mated=tuple(worth[own] for own in rows),
            non_mated=tuple(self.other[own] for own in rows),
            draws=self.draws,
        )


def _choose_enrolled(
    signers: Sequence[EvaluationSigner], references: int, draws: int
) -> list[EvaluationSigner]:
    if references < 1 or draws < 1:
        raise ValueError(f"{references} references and {draws} draws: at least 1 of each")
    if len({own.signer for own in signers}) < len(signers):
        raise DatasetError("a signer is listed twice: name signers apart by their data set")
    enrolled = [own for own in signers if len(own.genuine) > references]
    if len(enrolled) < 2:
        raise DatasetError(
            f"{len(enrolled)} of {len(signers)} signers have the {references + 1} genuine "
            f"signatures that {references} references and a probe need: give at least two such "
            "signers, or ask for fewer references"
        )
    return enrolled


def _search_all(
    enrolled: Sequence[EvaluationSigner], rule: FusionRule, references: int, draws: int, seed: int
) -> _Searches:
    """All draws' searches; only signatures that are drawn as references are compared with all."""
    owner = np.repeat(np.arange(len(enrolled)), [len(own.genuine) for own in enrolled])
    first = np.searchsorted(owner, np.arange(len(enrolled)))
    drawn = np.stack(
        [
            np.stack(draw_references(own.signer, len(own.genuine), references, draws, seed)) + start
            for own, start in zip(enrolled, first, strict=True)
        ],
        axis=1,
    )
    genuine = [embedding for own in enrolled for embedding in own.genuine]
    rows, pairs = _compare(drawn, genuine)
    parts = [_search(rows[galleries], galleries, pairs, owner, rule) for galleries in drawn]
    return _Searches(
        signers=len(enrolled),
        draws=draws,
        owner=np.concatenate([part.owner for part in parts]),
        mate=np.concatenate([part.mate for part in parts]),
        other=np.concatenate([part.other for part in parts]),
        rank=np.concatenate([part.rank for part in parts]),
    )


def _compare(drawn: Places, genuine: Sequence[Embedding]) -> tuple[Places, PairScores]:
    """Each reference that was ever drawn against all signatures, and the rows they lie in."""
    ever = np.unique(drawn)
    rows = np.full(len(genuine), -1)
    rows[ever] = np.arange(len(ever))
    return rows, score_pairs([genuine[place] for place in ever], genuine)


def _search(
    rows: Places, galleries: Places, pairs: PairScores, owner: Places, rule: FusionRule
) -> _Searches:
    """One draw's searches.

    Args:
        rows: int64 (signers, R): the rows of ``pairs`` that each gallery's references lie in.
        galleries: int64 (signers, R): their columns.
        pairs: references against all genuine signatures.
        owner: int64 (signatures,): whose each signature is.
        rule: how scores are fused.
    """
    probes = np.setdiff1d(np.arange(len(owner)), galleries)
    fused = np.stack(
        [
            _fuse(pairs, own, columns, probes, rule)
            for own, columns in zip(rows, galleries, strict=True)
        ]
    )
    own = owner[probes], np.arange(len(probes))
    mate = fused[own]
    fused[own] = -np.inf
    return _Searches(
        signers=len(rows),
        draws=1,
        owner=owner[probes],
        mate=mate,
        other=fused.max(axis=0),
        rank=1 + np.count_nonzero(fused >= mate, axis=0),
    )


def _fuse(
    pairs: PairScores, rows: Places, columns: Places, probes: Places, rule: FusionRule
) -> Floats:
    """The fused scores float64 (probes,) of all probes with one gallery."""
    count = len(probes)
    return apply_fusion(
        ComparisonScores(
            signers=(),
            skipped=(),
            signer=np.zeros(count, np.int32),
            kind=np.full(count, Kind.MATED, np.int8),
            draw=np.zeros(count, np.int16),
            cosine=pairs.cosine[np.ix_(rows, probes)].T,
            local=pairs.local[np.ix_(rows, probes)].T,
            cosine_spread=np.full(count, _spread(pairs.cosine[np.ix_(rows, columns)])),
            local_spread=np.full(count, _spread(pairs.local[np.ix_(rows, columns)])),
        ),
        rule,
    )


def _spread(block: Floats) -> float:
    """The mean over pairs of references; not a number for a single one."""
    pairs = block[np.triu_indices(len(block), 1)]
    return float(pairs.mean()) if len(pairs) else float("nan")


def _fix_fpir(searches: _Searches, bootstraps: int, seed: int) -> list[FixedFpir]:
    scores = searches.by_signer()
    distinct = len(searches.owner) / searches.draws
    rates = resample_curve(
        lambda curve: fnmr_at_fmr(curve, FIXED_FPIR), scores, bootstraps=bootstraps, seed=seed
    ).rates()
    return [
        FixedFpir(
            aim=aim,
            threshold=threshold_at_fmr(searches.other, aim),
            fnir=allow_for_clean(rate, distinct),
            supported=aim * distinct >= RULE_OF_THREE * (1.0 - 1e-9),
        )
        for aim, rate in zip(FIXED_FPIR, rates, strict=True)
    ]
