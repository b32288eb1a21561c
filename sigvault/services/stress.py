"""Protocol P5, stress: how a frozen model bears probes that paper, pen, scanner or phone spoilt.

References stay as they were scanned; probes are disturbed, each by itself, and then go through
what every probe goes through: preprocessing, the judgement of whether they can serve, embedding,
comparison, once more where they lie turned, the model's own threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import islice

import numpy as np

from sigvault.datasets import Dataset, Specimen
from sigvault.domain.comparison import ErrorRates, Rate, Threshold, compare, select_threshold
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import DatasetError, ImageError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.image import InkImage, SignatureImage
from sigvault.domain.ports import Embedder
from sigvault.domain.turned_probe import tell_turn
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    SignerScores,
    clustered_share,
    equal_error_rate,
    paired_difference,
)
from sigvault.evaluation.operating_points import rates_at
from sigvault.evaluation.pair_scores import PairScores, score_pairs
from sigvault.evaluation.protocols import (
    ComparisonScores,
    Kind,
    apply_fusion,
    concatenate,
    scores_by_signer,
)
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.preprocessing import read_preprocessing
from sigvault.services.acquisition import read_source
from sigvault.services.comparing import Comparison
from sigvault.services.straightening import straighten
from sigvault.services.stress_result import StressResult, StressRow, StressSample
from sigvault.services.unseen_signers import (
    BATCH,
    LEAST_SIGNERS,
    check_kind,
    choose_signers,
    digest_all,
)

Progress = Callable[[int, int], None]
"""Called with the number of images done and the number to be done."""


def run_stress(
    dataset: Dataset,
    embedder: Embedder,
    *,
    references: int = 5,
    disturbances: Sequence[Disturbance] = tuple(Disturbance),
    draws: int = 1,
    seed: int = 0,
    sample: StressSample | None = None,
    progress: Progress | None = None,
) -> StressResult:
    """Measure a frozen model on disturbed probes, beside the same probes undisturbed.

    The fusion rule and the threshold are those of the model's card. Probes are never among the
    references of any draw. What is left to chance in a disturbance depends on the seed and the
    picture alone. An image that occurs twice is used once.

    Args:
        dataset: the images.
        embedder: the model.
        references: R, at least 1.
        disturbances: what to do to the probes, one after the other.
        draws: how often references are drawn.
        seed: of every choice, of the disturbances and of the intervals.
        sample: how many signers and probes; the defaults if None.
        progress: called after each image.

    Raises:
        DatasetError: If fewer than five signers are left, or have enough genuine signatures that
            can serve, or the model was trained on some and they are to be refused.
        ValueError: If ``references`` or ``draws`` is below 1.
    """
    if references < 1 or draws < 1:
        raise ValueError(f"{references} references and {draws} draws: at least 1 of each")
    sample = sample or StressSample()
    check_kind(dataset)
    digests = digest_all(dataset.specimens)
    card = embedder.card
    chosen, left_out, remarks = choose_signers(
        dataset, digests, card.training_digests, sample.seen, force=False
    )
    planned, skipped = _plan(_without_twins(dataset, digests), chosen, references, sample, seed)
    images = sum(len(own.pool) + own.probes * (1 + len(disturbances)) for own in planned)
    run = _Run(embedder, seed, images, progress)
    claimed, lost = _enroll(planned, run, references, draws, seed)
    threshold = select_threshold(card.thresholds, references)
    measured = _Measured(claimed, embedder, threshold, seed)
    clean = run.embed(measured.probes, None)
    rows = [measured.row(None, clean, clean)]
    rows += [
        measured.row(disturbance, run.embed(measured.probes, disturbance), clean)
        for disturbance in disturbances
    ]
    signers = tuple(own.plan.signer for own in claimed)
    calibrated = {one.signer for one, own in digests.items() if own in card.calibration_digests}
    return StressResult(
        data=dataset.root.resolve().name,
        model=embedder.model,
        preprocessing=embedder.preprocessing,
        references=references,
        draws=draws,
        seed=seed,
        sample=sample,
        signers=signers,
        skipped=(*skipped, *lost),
        left_out=left_out,
        calibrated_on=tuple(signer for signer in signers if signer in calibrated),
        remarks=remarks,
        threshold=None if measured.threshold is None else measured.threshold.accept,
        rows=tuple(rows),
    )


@dataclass(frozen=True)
class _Planned:
    """What is used of one signer.

    Attributes:
        signer: who.
        genuine: the genuine signatures that are disturbed.
        forged: the skilled forgeries that are.
        pool: the other genuine signatures: references are drawn from those that can serve.
    """

    signer: SignerId
    genuine: tuple[Specimen, ...]
    forged: tuple[Specimen, ...]
    pool: tuple[Specimen, ...]

    @property
    def probes(self) -> int:
        """How many signatures are disturbed."""
        return len(self.genuine) + len(self.forged)


@dataclass(frozen=True, eq=False)
class _Claimed:
    """A signer with a gallery for each draw."""

    plan: _Planned
    galleries: tuple[Gallery, ...]


def _without_twins(dataset: Dataset, digests: Mapping[Specimen, str]) -> list[Specimen]:
    """Each image once; those that can't be read stay, and fail later."""
    first = {digests[one]: one for one in reversed(dataset.specimens) if one in digests}
    return [one for one in dataset.specimens if first.get(digests.get(one, ""), one) is one]


def _plan(
    specimens: Sequence[Specimen],
    chosen: frozenset[SignerId],
    references: int,
    sample: StressSample,
    seed: int,
) -> tuple[list[_Planned], tuple[SignerId, ...]]:
    """(what is used of each signer, signers with too few genuine signatures)."""
    signers = [one for one in dict.fromkeys(one.signer for one in specimens) if one in chosen]
    planned = [_plan_signer(signer, specimens, references, sample, seed) for signer in signers]
    fitting = [own for own in planned if own.genuine]
    skipped = tuple(own.signer for own in planned if not own.genuine)
    if sample.signers is not None:
        ranked = sorted(fitting, key=lambda own: _chance(seed, _Choice.SIGNER, own.signer).random())
        kept = {own.signer for own in ranked[: sample.signers]}
        fitting = [own for own in fitting if own.signer in kept]
    return fitting, skipped


def _plan_signer(
    signer: SignerId,
    specimens: Sequence[Specimen],
    references: int,
    sample: StressSample,
    seed: int,
) -> _Planned:
    chance = _chance(seed, _Choice.PROBES, signer)
    mixed = [
        [own[place] for place in chance.permutation(len(own))]
        for own in (
            [one for one in specimens if one.signer == signer and one.genuine is genuine]
            for genuine in (True, False)
        )
    ]
    count = max(0, min(sample.genuine, len(mixed[0]) - references))
    return _Planned(
        signer=signer,
        genuine=tuple(mixed[0][:count]),
        forged=tuple(mixed[1][: sample.forged]),
        pool=tuple(mixed[0][count:]),
    )


class _Choice(IntEnum):
    """What is left to chance about a signer, each apart from the others."""

    SIGNER = 0
    PROBES = 1
    REFERENCES = 2


def _chance(seed: int, choice: _Choice, signer: SignerId) -> np.random.Generator:
    return np.random.default_rng([seed, choice, *signer.encode()])


@dataclass(frozen=True, eq=False)
class _Embedded:
    """An image that can serve.

    Attributes:
        ink: on the model's canvas.
        embedding: what was made of it.
        scores: by gallery, what it scores against each reference, as it is or turned back; worked
            out once.
    """

    ink: InkImage
    embedding: Embedding
    scores: dict[Gallery, PairScores] = field(default_factory=dict)


class _Run:
    """Images read, disturbed, harmonised and embedded in batches, and counted."""

    def __init__(
        self, embedder: Embedder, seed: int, images: int, progress: Progress | None
    ) -> None:
        """Take what to work with, and how many images there will be."""
        self._embedder = embedder
        self._recipe = read_preprocessing(embedder.card.preprocessing)
        self._seed = seed
        self._progress = progress
        self._images = images
        self._done = 0

    def embed(
        self,
        specimens: Sequence[Specimen],
        disturbance: Disturbance | None,
        *,
        as_references: bool = False,
    ) -> dict[Specimen, _Embedded]:
        """Embed what can serve; the rest is missing."""
        found: dict[Specimen, _Embedded] = {}
        usable = self._acquire(specimens, disturbance)
        while batch := list(islice(usable, BATCH)):
            embeddings = self._embedder.embed(
                [ink for _, ink in batch], as_references=as_references
            )
            for (one, ink), embedding in zip(batch, embeddings, strict=True):
                found[one] = _Embedded(ink, embedding)
        return found

    def _acquire(
        self, specimens: Sequence[Specimen], disturbance: Disturbance | None
    ) -> Iterator[tuple[Specimen, InkImage]]:
        for one in specimens:
            ink = self._prepare(one, disturbance)
            if ink is not None:
                yield one, ink
            self._done += 1
            if self._progress is not None:
                self._progress(self._done, self._images)

    def _prepare(self, specimen: Specimen, disturbance: Disturbance | None) -> InkImage | None:
        """The ink; None if the picture can't serve, as enrolling and verifying judge it."""
        try:
            image = decode_bytes(read_source(specimen.path))
        except ImageError:
            return None
        if disturbance is not None:
            image = _disturb(image, disturbance, self._seed)
        prepared = self._recipe.prepare(image)
        return None if any(finding.severe for finding in prepared.findings) else prepared.ink


def _disturb(image: SignatureImage, disturbance: Disturbance, seed: int) -> SignatureImage:
    """A disturbed picture passes for a source of its own, reduced while decoding as before."""
    own = int(image.digest[:12], 16) + seed
    pixels = disturb(image.pixels, disturbance, seed=own)
    reduced = image.source_width / image.pixels.shape[1]
    height, width = pixels.shape
    return SignatureImage(pixels, image.digest, round(width * reduced), round(height * reduced))


def _enroll(
    planned: Sequence[_Planned], run: _Run, references: int, draws: int, seed: int
) -> tuple[list[_Claimed], tuple[SignerId, ...]]:
    """(signers with their galleries, signers with too few references that can serve)."""
    found = run.embed([one for own in planned for one in own.pool], None, as_references=True)
    claimed: list[_Claimed] = []
    lost: list[SignerId] = []
    for own in planned:
        usable = [found[one].embedding for one in own.pool if one in found]
        if len(usable) < references:
            lost.append(own.signer)
            continue
        chance = _chance(seed, _Choice.REFERENCES, own.signer)
        orders = [chance.permutation(len(usable))[:references] for _ in range(draws)]
        galleries = tuple(_gallery(own.signer, [usable[i] for i in order]) for order in orders)
        claimed.append(_Claimed(own, galleries))
    if len(claimed) < LEAST_SIGNERS:
        raise DatasetError(
            f"{len(claimed)} signers have the {references + 1} genuine signatures that "
            f"{references} references and a probe need, and at least {LEAST_SIGNERS} are needed: "
            "add genuine signatures, or ask for fewer references"
        )
    return claimed, tuple(lost)


def _gallery(signer: SignerId, embeddings: Sequence[Embedding]) -> Gallery:
    references = (
        Reference(ReferenceId(str(number)), embedding)
        for number, embedding in enumerate(embeddings)
    )
    return Gallery(signer, GenerationId(0), tuple(references))


class _Measured:
    """Signers with their galleries, and the rule and threshold to measure probes by."""

    def __init__(
        self,
        claimed: Sequence[_Claimed],
        embedder: Embedder,
        threshold: Threshold | None,
        seed: int,
    ) -> None:
        """Take what is measured, and by what."""
        self.threshold = threshold
        self.probes = [one for own in claimed for one in (*own.plan.genuine, *own.plan.forged)]
        self._claimed = claimed
        self._embedder = embedder
        self._rule = embedder.card.fusion
        self._seed = seed

    def row(
        self,
        disturbance: Disturbance | None,
        found: Mapping[Specimen, _Embedded],
        clean: Mapping[Specimen, _Embedded],
    ) -> StressRow:
        """The figures of some probes: embeddings of those that could serve."""
        scores = self._compare(found)
        random, skilled = self._split(scores, self._rule)
        return StressRow(
            disturbance=disturbance,
            genuine=sum(len(own.plan.genuine) for own in self._claimed),
            forged=sum(len(own.plan.forged) for own in self._claimed),
            genuine_fta=self._failed([own.plan.genuine for own in self._claimed], found),
            forged_fta=self._failed([own.plan.forged for own in self._claimed], found)
            if any(own.plan.forged for own in self._claimed)
            else None,
            at_accept=self._at_accept(scores),
            random_eer=self._equal_error(random),
            skilled_eer=self._equal_error(skilled),
            skilled_change=None if disturbance is None else self._change(found, clean),
        )

    def _failed(
        self, submitted: Sequence[Sequence[Specimen]], found: Mapping[Specimen, _Embedded]
    ) -> Rate:
        failed = [sum(one not in found for one in own) for own in submitted]
        return clustered_share(failed, [len(own) for own in submitted], 1, BOOTSTRAPS, self._seed)

    def _equal_error(self, scores: SignerScores | None) -> Rate | None:
        return None if scores is None else equal_error_rate(scores, seed=self._seed).rate

    def _at_accept(self, scores: ComparisonScores | None) -> ErrorRates | None:
        """The threshold decides on scores fused by its own rule, as in verification."""
        if self.threshold is None:
            return None
        random, skilled = self._split(scores, self.threshold.fusion)
        if random is None:
            return None
        return rates_at(random, skilled, self.threshold.accept, seed=self._seed)

    def _change(
        self, found: Mapping[Specimen, _Embedded], clean: Mapping[Specimen, _Embedded]
    ) -> Rate | None:
        both = found.keys() & clean.keys()
        disturbed, undisturbed = (
            self._split(self._compare({one: own[one] for one in both}), self._rule)[1]
            for own in (found, clean)
        )
        if disturbed is None or undisturbed is None:
            return None
        return paired_difference(disturbed, undisturbed, seed=self._seed)

    def _split(
        self, scores: ComparisonScores | None, rule: FusionRule
    ) -> tuple[SignerScores | None, SignerScores | None]:
        """(against random forgeries, against skilled ones), as far as there are any."""
        if scores is None:
            return None, None
        fused = apply_fusion(scores, rule)
        random = scores_by_signer(scores, fused, Kind.RANDOM)
        if not scores.count(Kind.SKILLED):
            return random, None
        return random, scores_by_signer(scores, fused, Kind.SKILLED)

    def _compare(self, found: Mapping[Specimen, _Embedded]) -> ComparisonScores | None:
        """All comparisons; None if there is no genuine probe."""
        genuine = {
            own.plan.signer: [found[one] for one in own.plan.genuine if one in found]
            for own in self._claimed
        }
        if not any(genuine.values()):
            return None
        return concatenate(
            [
                _score(own, _probes(own.plan, genuine, found), self._embedder)
                for own in self._claimed
            ]
        )


def _probes(
    plan: _Planned,
    genuine: Mapping[SignerId, Sequence[_Embedded]],
    found: Mapping[Specimen, _Embedded],
) -> list[tuple[Kind, _Embedded]]:
    """All that one signer's galleries meet: own, forged and all others' genuine signatures."""
    others = (one for signer, own in genuine.items() if signer != plan.signer for one in own)
    return [
        *((Kind.MATED, one) for one in genuine[plan.signer]),
        *((Kind.SKILLED, found[one]) for one in plan.forged if one in found),
        *((Kind.RANDOM, one) for one in others),
    ]


def _score(
    own: _Claimed, probes: Sequence[tuple[Kind, _Embedded]], embedder: Embedder
) -> ComparisonScores:
    """One signer's comparisons, draw by draw."""
    draws, count = len(own.galleries), len(probes)
    embedded = [one for _, one in probes]
    pairs = [_compare(gallery, embedded, embedder) for gallery in own.galleries]
    spreads = [
        (math.nan, math.nan) if spread is None else (spread.cosine, spread.local)
        for spread in (gallery.spread for gallery in own.galleries)
    ]
    return ComparisonScores(
        signers=(own.plan.signer,),
        skipped=(),
        signer=np.zeros(draws * count, np.int32),
        kind=np.tile(np.array([kind for kind, _ in probes], np.int8), draws),
        draw=np.repeat(np.arange(draws, dtype=np.int16), count),
        cosine=np.concatenate([each.cosine.T for each in pairs]),
        local=np.concatenate([each.local.T for each in pairs]),
        cosine_spread=np.repeat([cosine for cosine, _ in spreads], count),
        local_spread=np.repeat([local for _, local in spreads], count),
    )


def _compare(gallery: Gallery, probes: Sequence[_Embedded], embedder: Embedder) -> PairScores:
    """A gallery against probes, each as it is or straightened, whichever is more alike."""
    missing = [one for one in probes if gallery not in one.scores]
    if missing:
        references = [reference.embedding for reference in gallery.references]
        plain = score_pairs(references, [one.embedding for one in missing])
        for place, one in enumerate(missing):
            own = PairScores(plain.cosine[:, place], plain.local[:, place])
            one.scores[gallery] = _straighten(gallery, one, own, embedder)
    found = [one.scores[gallery] for one in probes]
    return PairScores(
        np.stack([each.cosine for each in found], axis=1),
        np.stack([each.local for each in found], axis=1),
    )


def _straighten(
    gallery: Gallery, probe: _Embedded, plain: PairScores, embedder: Embedder
) -> PairScores:
    """A probe's scores turned back, where it lies turned and is more alike so; else as they are."""
    references = [reference.embedding for reference in gallery.references]
    degrees = tell_turn(probe.embedding, references, embedder.card.local_turns)
    if degrees is None:
        return plain
    rule = embedder.card.fusion
    compared = Comparison(probe.ink, probe.embedding, compare(probe.embedding, gallery, rule))
    score = straighten(embedder, compared, gallery, degrees).score
    if score.straightened is None:
        return plain
    return PairScores(
        np.array([one.cosine for one in score.per_reference]),
        np.array([one.local for one in score.per_reference]),
    )
