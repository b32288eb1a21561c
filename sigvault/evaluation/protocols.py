"""Protocol P1, writer-independent verification: which probe meets which references.

For each signer and draw, R references are drawn from the genuine signatures. The remaining
genuine ones are mated probes, every skilled forgery is a non-mated probe, and so are random
forgeries: a fixed sample of other signers' genuine signatures. What comes out are the scores
against each reference, so that any fusion rule can be applied afterwards at no cost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import combinations, zip_longest
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.error_rates import SignerScores
from sigvault.evaluation.pair_scores import Floats, PairScores, score_pairs

DRAWS = 10
"""How many times references are drawn."""

RANDOM_FORGERIES = 40
"""How many random forgeries each signer meets."""


class Kind(IntEnum):
    """What a probe is to the claimed signer."""

    MATED = 0
    RANDOM = 1
    SKILLED = 2


@dataclass(frozen=True, eq=False)
class EvaluationSigner:
    """A signer's embedded signatures, none of which the model was trained on.

    Attributes:
        signer: whose they are; distinct across data sets that are scored together.
        genuine: the signer's own signatures.
        forged: skilled forgeries of them; may be empty.
        genuine_files: where the genuine ones come from, in the same order; empty if unknown.
        forged_files: where the forgeries come from; likewise.
    """

    signer: SignerId
    genuine: tuple[Embedding, ...]
    forged: tuple[Embedding, ...] = ()
    genuine_files: tuple[str, ...] = ()
    forged_files: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SignerPairs:
    """One signer's comparisons, all of them, before any references are drawn.

    Attributes:
        signer: whose.
        pairs: genuine signatures (rows) against probes (columns): first the same genuine ones,
            then the skilled forgeries, then the random forgeries.
        genuine: how many genuine signatures there are.
        skilled: how many skilled forgeries.
        files: where each column comes from; empty if unknown.
        strangers: whose each random forgery is, in their order; empty if unknown.
    """

    signer: SignerId
    pairs: PairScores
    genuine: int
    skilled: int
    files: tuple[str, ...] = ()
    strangers: tuple[SignerId, ...] = ()

    @property
    def kinds(self) -> npt.NDArray[np.int8]:
        """int8 (probes,): each column's ``Kind``."""
        kinds = np.full(self.pairs.cosine.shape[1], Kind.RANDOM, np.int8)
        kinds[: self.genuine] = Kind.MATED
        kinds[self.genuine : self.genuine + self.skilled] = Kind.SKILLED
        return kinds

    @property
    def owners(self) -> tuple[SignerId, ...] | None:
        """(probes,): whom each column is by, or whom it imitates; None if unknown."""
        columns = self.pairs.cosine.shape[1]
        found = (*[self.signer] * (self.genuine + self.skilled), *self.strangers)
        return found if len(found) == columns else None


@dataclass(frozen=True, eq=False)
class DrawnProbes:
    """Which signatures N comparisons are about, in their order.

    Attributes:
        probe: int32 (N,): the probe's column among the claimed signer's pairs.
        references: int32 (N, R): the references' rows among them.
    """

    probe: npt.NDArray[np.int32]
    references: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class ComparisonScores:
    """N comparisons of a probe with R references, before fusion.

    Attributes:
        signers: the claimed signers, in the order that ``signer`` counts them.
        skipped: signers left out because they have too few genuine signatures.
        signer: int32 (N,): the place of the claimed signer in ``signers``.
        kind: int8 (N,): what the probe is, a ``Kind``.
        draw: int16 (N,): the number of the draw.
        cosine: float64 (N, R): the cosine with each reference, in [-1, 1].
        local: float64 (N, R): the local score with each reference, in [-1, 1].
        cosine_spread: float64 (N,): the references' mean cosine with each other; not a number
            for a single reference.
        local_spread: float64 (N,): their mean local score; not a number for a single one.
        owners: the signers that ``owner`` counts.
        owner: int32 (N,): the place in ``owners`` of the signer whom the probe is by, or whom a
            skilled forgery imitates; None if unknown.
    """

    signers: tuple[SignerId, ...]
    skipped: tuple[SignerId, ...]
    signer: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]
    draw: npt.NDArray[np.int16]
    cosine: Floats
    local: Floats
    cosine_spread: Floats
    local_spread: Floats
    owners: tuple[SignerId, ...] = ()
    owner: npt.NDArray[np.int32] | None = None

    @property
    def references(self) -> int:
        """R, the number of references in each comparison."""
        return int(self.cosine.shape[1])

    @property
    def draws(self) -> int:
        """How many times references were drawn."""
        return int(self.draw.max()) + 1

    def count(self, kind: Kind) -> int:
        """How many comparisons are of a kind."""
        return int(np.count_nonzero(self.kind == kind))

    def only(self, signers: Iterable[SignerId]) -> ComparisonScores:
        """The comparisons with some of the claimed signers, numbered anew.

        Their random forgeries are still signatures of everybody; see ``without``.
        """
        wanted = set(signers)
        kept = [place for place, signer in enumerate(self.signers) if signer in wanted]
        places = np.full(len(self.signers), -1, np.int32)
        places[kept] = np.arange(len(kept))
        rows = places[self.signer] >= 0
        return replace(
            self._of(rows),
            signers=tuple(self.signers[place] for place in kept),
            skipped=tuple(signer for signer in self.skipped if signer in wanted),
            signer=places[self.signer[rows]],
        )

    def without(self, signers: Iterable[SignerId]) -> ComparisonScores:
        """The comparisons that some signers have no part in, numbered anew.

        They are neither claimed, nor are their signatures the others' random forgeries: what is
        chosen on the rest can be tested on them.

        Raises:
            ValueError: If nobody knows whose signatures the probes are.
        """
        if self.owner is None:
            raise ValueError("whose signatures the probes are is unknown: nobody can be left out")
        barred = set(signers)
        left = [place for place, owner in enumerate(self.owners) if owner not in barred]
        everybody = {*self.signers, *self.skipped}
        return self._of(np.isin(self.owner, left)).only(everybody - barred)

    def _of(self, rows: npt.NDArray[np.bool_]) -> ComparisonScores:
        """Some comparisons, the signers numbered as they were."""
        return replace(
            self,
            signer=self.signer[rows],
            kind=self.kind[rows],
            draw=self.draw[rows],
            cosine=self.cosine[rows],
            local=self.local[rows],
            cosine_spread=self.cosine_spread[rows],
            local_spread=self.local_spread[rows],
            owner=None if self.owner is None else self.owner[rows],
        )


def compare_pairs(
    signers: Sequence[EvaluationSigner],
    *,
    random_forgeries: int = RANDOM_FORGERIES,
    seed: int = 0,
) -> tuple[SignerPairs, ...]:
    """Score each signer's genuine signatures with all that they will meet.

    Args:
        signers: of one data set, each once.
        random_forgeries: how many other signers' genuine signatures each one meets.
        seed: of the choice of random forgeries.

    Raises:
        DatasetError: If there are fewer than two signers with genuine signatures, or two of
            the same name.
        GenerationMismatch: If two models made the embeddings.
    """
    _check_signers(signers)
    usable = [signer for signer in signers if signer.genuine]
    return tuple(_pairs_of(signer, usable, random_forgeries, seed) for signer in usable)


def draw_comparisons(
    pairs: Sequence[SignerPairs], references: int, *, draws: int = DRAWS, seed: int = 0
) -> ComparisonScores:
    """Draw references and gather the scores of the probes against them.

    A signer's draws depend on the seed and the signer alone, and the references of a draw
    include those of the same draw with fewer references.

    Args:
        pairs: as ``compare_pairs`` made them.
        references: R, at least 1.
        draws: how many times references are drawn.
        seed: of the draws.

    Raises:
        DatasetError: If fewer than two signers have R + 1 genuine signatures.
        ValueError: If ``references`` or ``draws`` is below 1.
    """
    if references < 1 or draws < 1:
        raise ValueError(f"{references} references and {draws} draws: at least 1 of each")
    fitting = _fitting(pairs, references)
    parts = [
        _gather(own, place, draw, chosen)
        for place, own in enumerate(fitting)
        for draw, chosen in enumerate(
            draw_references(own.signer, own.genuine, references, draws, seed)
        )
    ]
    skipped = tuple(own.signer for own in pairs if own.genuine <= references)
    scores = _stack(tuple(own.signer for own in fitting), skipped, parts)
    return _with_owners(scores, fitting, parts)


def trace_probes(
    pairs: Sequence[SignerPairs], references: int, *, draws: int = DRAWS, seed: int = 0
) -> DrawnProbes:
    """Which signatures the comparisons of ``draw_comparisons`` are about; the same arguments."""
    probes, rows = [], []
    for own in _fitting(pairs, references):
        for chosen in draw_references(own.signer, own.genuine, references, draws, seed):
            probe = np.setdiff1d(np.arange(own.pairs.cosine.shape[1]), chosen)
            probes.append(probe)
            rows.append(np.tile(chosen, (len(probe), 1)))
    return DrawnProbes(
        np.concatenate(probes).astype(np.int32), np.concatenate(rows).astype(np.int32)
    )


def concatenate(parts: Sequence[ComparisonScores]) -> ComparisonScores:
    """Pool the comparisons of several folds or data sets that share no signer.

    Args:
        parts: at least one, all with the same number of references.

    Raises:
        ValueError: If a signer appears twice, or numbers of references differ.
    """
    signers = tuple(signer for part in parts for signer in part.signers)
    if len(set(signers)) < len(signers):
        raise ValueError("a signer appears in two parts: name signers apart by their data set")
    if len({part.references for part in parts}) != 1:
        raise ValueError("comparisons with different numbers of references don't pool")
    starts = np.cumsum([0, *(len(part.signers) for part in parts)])
    shifted = [
        replace(part, signer=part.signer + np.int32(start))
        for part, start in zip(parts, starts, strict=False)
    ]
    skipped = tuple(signer for part in parts for signer in part.skipped)
    return _pool_owners(_stack(signers, skipped, shifted), parts)


def apply_fusion(scores: ComparisonScores, rule: FusionRule) -> Floats:
    """Fuse all comparisons by a rule: what ``FusionRule.fuse`` gives, for all at once.

    Returns:
        float64 (N,): the fused scores.
    """
    cosine = _mean_of_best(scores.cosine, rule.top)
    local = _mean_of_best(scores.local, rule.top)
    if scores.references > 1:
        trust = rule.trust(scores.references)
        own_cosine = np.maximum(scores.cosine_spread, rule.cosine_floor)
        own_local = np.maximum(scores.local_spread, rule.local_floor)
        cosine -= trust * rule.cosine_spread * own_cosine
        local -= trust * rule.local_spread * own_local
    return (1.0 - rule.local_weight) * cosine + rule.local_weight * local


def scores_by_signer(scores: ComparisonScores, fused: Floats, forgeries: Kind) -> SignerScores:
    """Sort fused scores by signer, with one kind of forgeries as the non-mated ones.

    Args:
        scores: the comparisons.
        fused: float64 (N,), as ``apply_fusion`` made them.
        forgeries: ``Kind.RANDOM`` or ``Kind.SKILLED``.

    Raises:
        ValueError: If there are no comparisons of the kind.
    """
    mated = _split(scores, fused, Kind.MATED)
    return SignerScores(mated, _split(scores, fused, forgeries), scores.draws)


class _Part(NamedTuple):
    """The comparisons of one draw: the fields of ``ComparisonScores``, and the probes' columns."""

    signer: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]
    draw: npt.NDArray[np.int16]
    cosine: Floats
    local: Floats
    cosine_spread: Floats
    local_spread: Floats
    probes: npt.NDArray[np.int64]


def _check_signers(signers: Sequence[EvaluationSigner]) -> None:
    names = [signer.signer for signer in signers]
    if len(set(names)) < len(names):
        raise DatasetError("a signer is listed twice: name signers apart by their data set")
    with_genuine = sum(bool(signer.genuine) for signer in signers)
    if with_genuine < 2:
        raise DatasetError(
            f"{with_genuine} of {len(signers)} signers have genuine signatures: at least two are "
            "needed, since each one's genuine signatures are the others' random forgeries"
        )


def _pairs_of(
    own: EvaluationSigner, signers: Sequence[EvaluationSigner], count: int, seed: int
) -> SignerPairs:
    random = _random_forgeries(own.signer, signers, count, seed)
    probes = [*own.genuine, *own.forged, *(embedding for embedding, _, _ in random)]
    files = (*own.genuine_files, *own.forged_files, *(file for _, file, _ in random if file))
    return SignerPairs(
        signer=own.signer,
        pairs=score_pairs(own.genuine, probes),
        genuine=len(own.genuine),
        skilled=len(own.forged),
        files=files if len(files) == len(probes) else (),
        strangers=tuple(stranger for _, _, stranger in random),
    )


def _random_forgeries(
    target: SignerId, signers: Sequence[EvaluationSigner], count: int, seed: int
) -> list[tuple[Embedding, str, SignerId]]:
    """Other signers' genuine signatures with file and signer, the same for any further signers.

    Each signature has a rank that depends on target, signature and seed alone, and the lowest
    ranks are taken, so that a signer who is added displaces only as many as come in.
    """
    others = [signer for signer in signers if signer.signer != target]
    mine = _stable_seed(seed, f"target {target}")
    ranks = np.concatenate(
        [
            np.random.default_rng([mine, _stable_seed(seed, other.signer)]).random(
                len(other.genuine)
            )
            for other in others
        ]
    )
    found = [
        (embedding, file, other.signer)
        for other in others
        for embedding, file in zip_longest(other.genuine, other.genuine_files, fillvalue="")
    ]
    return [found[place] for place in np.argsort(ranks, kind="stable")[:count]]


def draw_references(
    signer: SignerId, genuine: int, references: int, draws: int, seed: int
) -> list[npt.NDArray[np.int64]]:
    """The references of each draw: places among a signer's genuine signatures, (R,) each."""
    rng = np.random.default_rng(_stable_seed(seed, signer))
    return [rng.permutation(genuine)[:references] for _ in range(draws)]


def draw_some(pool: Sequence[Embedding], count: int, rng: np.random.Generator) -> list[Embedding]:
    """At most ``count`` of a pool, in random order."""
    return [pool[place] for place in rng.permutation(len(pool))[:count]]


def _fitting(pairs: Sequence[SignerPairs], references: int) -> list[SignerPairs]:
    """The signers with enough genuine signatures.

    Raises:
        DatasetError: If there are fewer than two.
    """
    fitting = [own for own in pairs if own.genuine > references]
    if len(fitting) < 2:
        raise DatasetError(
            f"{len(fitting)} of {len(pairs)} signers have the {references + 1} genuine signatures "
            f"that {references} references and a probe need: give at least two such signers, or "
            "ask for fewer references"
        )
    return fitting


def _stable_seed(seed: int, name: str) -> int:
    """A seed that differs by name and is the same on every machine."""
    digest = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _gather(own: SignerPairs, place: int, draw: int, chosen: npt.NDArray[np.int64]) -> _Part:
    probes = np.setdiff1d(np.arange(own.pairs.cosine.shape[1]), chosen)
    block = np.ix_(chosen, probes)
    return _Part(
        signer=np.full(len(probes), place, np.int32),
        kind=own.kinds[probes],
        draw=np.full(len(probes), draw, np.int16),
        cosine=own.pairs.cosine[block].T,
        local=own.pairs.local[block].T,
        cosine_spread=np.full(len(probes), _spread(own.pairs.cosine, chosen)),
        local_spread=np.full(len(probes), _spread(own.pairs.local, chosen)),
        probes=probes,
    )


def _spread(scores: Floats, chosen: npt.NDArray[np.int64]) -> float:
    pairs = [scores[one, other] for one, other in combinations(chosen, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def _stack(
    signers: tuple[SignerId, ...],
    skipped: tuple[SignerId, ...],
    parts: Sequence[_Part] | Sequence[ComparisonScores],
) -> ComparisonScores:
    return ComparisonScores(
        signers=signers,
        skipped=skipped,
        signer=np.concatenate([part.signer for part in parts]),
        kind=np.concatenate([part.kind for part in parts]),
        draw=np.concatenate([part.draw for part in parts]),
        cosine=np.concatenate([part.cosine for part in parts]),
        local=np.concatenate([part.local for part in parts]),
        cosine_spread=np.concatenate([part.cosine_spread for part in parts]),
        local_spread=np.concatenate([part.local_spread for part in parts]),
    )


def _with_owners(
    scores: ComparisonScores, pairs: Sequence[SignerPairs], parts: Sequence[_Part]
) -> ComparisonScores:
    """The same with whom each probe is by, as far as the pairs of all claimed signers tell."""
    by_signer = [own.owners for own in pairs]
    known = [owners for owners in by_signer if owners is not None]
    if len(known) < len(by_signer):
        return scores
    names = tuple(dict.fromkeys(owner for owners in known for owner in owners))
    places = {name: place for place, name in enumerate(names)}
    columns = [np.array([places[owner] for owner in owners], np.int32) for owners in known]
    owner = np.concatenate([columns[int(part.signer[0])][part.probes] for part in parts])
    return replace(scores, owners=names, owner=owner)


def _pool_owners(scores: ComparisonScores, parts: Sequence[ComparisonScores]) -> ComparisonScores:
    """The same with whom each probe is by, if all parts tell; a name may be listed for each."""
    known = [part.owner for part in parts if part.owner is not None]
    if len(known) < len(parts):
        return scores
    starts = np.cumsum([0, *(len(part.owners) for part in parts)])
    shifted = [owner + np.int32(start) for owner, start in zip(known, starts, strict=False)]
    names = tuple(owner for part in parts for owner in part.owners)
    return replace(scores, owners=names, owner=np.concatenate(shifted))


def _mean_of_best(scores: Floats, top: int) -> Floats:
    best: Floats = np.sort(scores, axis=1)[:, ::-1][:, :top].mean(axis=1)
    return best


def _split(scores: ComparisonScores, fused: Floats, kind: Kind) -> tuple[Floats, ...]:
    rows = scores.kind == kind
    owner, values = scores.signer[rows], fused[rows]
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(1, len(scores.signers)))
    return tuple(np.split(values[order], ends))
