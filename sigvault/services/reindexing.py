"""Moving a vault to another model: embed everything anew, compare, and only then let it decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import ConfigurationError, GenerationUnfit
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId, SignerKey
from sigvault.domain.ports import Embedder
from sigvault.evaluation.generation_comparison import (
    MOST_SIGNERS,
    GenerationComparison,
    Margins,
    Side,
    Verdict,
    compare_generations,
)
from sigvault.services.filling import BATCH, Embedded, begin, fill, put_thresholds
from sigvault.services.generations import Activation, activate
from sigvault.services.resources import ActiveGeneration, Resources, bind, load_active
from sigvault.storage.embeddings import load_galleries
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.generations import get_generation
from sigvault.storage.signers import list_signers

if TYPE_CHECKING:
    from sigvault.datasets import Dataset
    from sigvault.evaluation.protocols import EvaluationSigner

_FRESH_REFERENCES = 6
"""Genuine signatures of a fresh signer that make a gallery: five and a probe."""

Advance = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class ReindexPlan:
    """How a vault is moved.

    Attributes:
        batch: how many images are embedded and committed at once.
        readers: how many threads read images; one for each core but one if None.
        margins: how much worse the new generation may be.
        fresh: signatures of signers that neither model was trained on, to compare on as well.
        calibrate: whether to make the new thresholds from ``fresh``, instead of taking the card's.
        activate: whether to let it decide when it is fit.
        force: let it decide though it is worse, or nobody can tell; it is recorded.
        seed: of what is drawn for the comparison.
    """

    batch: int = BATCH
    readers: int | None = None
    margins: Margins = field(default_factory=Margins)
    fresh: Dataset | None = None
    calibrate: bool = False
    activate: bool = True
    force: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Reindexing:
    """What became of a re-index.

    Attributes:
        generation: the generation that was filled.
        model: its model.
        embedded: how far it was filled.
        comparison: with the generation that decided, on the vault's own galleries.
        fresh: the same on fresh signatures; None without any.
        activation: that it decides from now on; None if it doesn't.
        reasons: what speaks against it; empty if nothing does.
    """

    generation: GenerationId
    model: ModelId
    embedded: Embedded
    comparison: GenerationComparison
    fresh: GenerationComparison | None
    activation: Activation | None
    reasons: tuple[str, ...]


def reindex(
    resources: Resources,
    embedder: Embedder,
    plan: ReindexPlan | None = None,
    *,
    by: str,
    progress: Advance | None = None,
) -> Reindexing:
    """Embed all references with another model, compare the generations, and activate the new one.

    It may be stopped at any moment, and goes on where it was when it is called again with the same
    model. The active generation decides until the very end.

    Args:
        resources: the vault's.
        embedder: the other model.
        plan: how; the defaults if None.
        by: who does it.
        progress: told how far it is.

    Raises:
        ConfigurationError: If that model decides already.
        GenerationUnfit: If the new generation may not decide; it is kept, to be looked at,
            activated by force or dropped. Its ``reasons`` say why.
        DatasetError: If the fresh signatures don't suffice.
        StorageFailed: If the database fails; what was embedded is kept.
    """
    plan = plan or ReindexPlan()
    with read_session(resources.engine) as session:
        active = load_active(session)
    if embedder.model == active.model:
        raise ConfigurationError(
            f"{embedder.model} decides already, in generation {active.id}: give another model"
        )
    bound = begin(resources, embedder, by=by)
    embedded = fill(
        resources,
        bound,
        embedder,
        batch=plan.batch,
        readers=plan.readers,
        progress=_telling(progress, "Embedding"),
    )
    if plan.calibrate and plan.fresh is not None:
        _calibrate(resources, bound, embedder, plan.fresh)
    with read_session(resources.engine) as session:
        bound = bind(session, get_generation(session, bound.id))
    comparison = compare_galleries(
        resources, active, bound, plan, progress=_telling(progress, "Comparing")
    )
    fresh = None
    if plan.fresh is not None:
        fresh = _compare_fresh(resources, (active, bound), plan.fresh, plan, progress)
    reasons = _reasons(comparison, fresh, bound, embedded)
    activation = None
    if plan.activate:
        figures: dict[str, Any] = {"galleries": comparison.summary()}
        if fresh is not None:
            figures["fresh"] = fresh.summary()
        activation = _activate(resources, bound, plan, by, reasons, figures)
    return Reindexing(bound.id, bound.model, embedded, comparison, fresh, activation, reasons)


def compare_galleries(
    resources: Resources,
    old: ActiveGeneration,
    new: ActiveGeneration,
    plan: ReindexPlan | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> GenerationComparison:
    """Compare two generations on the vault's own galleries, or some of them drawn at random."""
    plan = plan or ReindexPlan()
    with read_session(resources.engine) as session:
        keys = [each.signer.key for each in list_signers(session) if each.references]
        chosen = _draw(keys, plan.seed)
        galleries = [load_galleries(session, chosen, side.id) for side in (old, new)]
    shared = [_shared(key, galleries) for key in chosen]
    sides = [
        Side(
            side.id,
            side.model,
            {own[place].signer: own[place] for own in shared if own is not None},
            side.thresholds,
        )
        for place, side in enumerate((old, new))
    ]
    return compare_generations(
        sides[0], sides[1], margins=plan.margins, seed=plan.seed, progress=progress
    )


def _telling(progress: Advance | None, what: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(what, done, total)


def _draw(keys: Sequence[SignerKey], seed: int) -> list[SignerKey]:
    """Twice as many signers as are compared, since some may hold a single reference."""
    most = 2 * MOST_SIGNERS
    if len(keys) <= most:
        return list(keys)
    rng = np.random.default_rng(seed)
    return [keys[place] for place in sorted(rng.choice(len(keys), most, replace=False))]


def _shared(
    key: SignerKey, galleries: Sequence[Mapping[SignerKey, Gallery]]
) -> tuple[Gallery, Gallery] | None:
    """Both galleries of a signer with the references that both generations have."""
    found = [own.get(key) for own in galleries]
    if found[0] is None or found[1] is None:
        return None
    both = {each.id for each in found[0].references} & {each.id for each in found[1].references}
    if not both:
        return None
    old, new = (
        Gallery(
            own.signer,
            own.generation,
            tuple(sorted((each for each in own.references if each.id in both), key=_by_id)),
        )
        for own in (found[0], found[1])
    )
    return old, new


def _by_id(reference: Reference) -> str:
    return reference.id


def _calibrate(
    resources: Resources, bound: ActiveGeneration, embedder: Embedder, fresh: Dataset
) -> None:
    from sigvault.services.calibration import calibrate_model  # noqa: PLC0415 - scikit-learn

    made = calibrate_model(fresh, embedder)
    with write_session(resources.engine) as session:
        put_thresholds(session, resources, bound.id, made.thresholds)


def _compare_fresh(
    resources: Resources,
    generations: tuple[ActiveGeneration, ActiveGeneration],
    fresh: Dataset,
    plan: ReindexPlan,
    progress: Advance | None,
) -> GenerationComparison:
    """Compare on signatures that were never enrolled, and forgeries of them if there are any."""
    from sigvault.services.unseen_signers import embed_unseen_signers  # noqa: PLC0415

    found: list[dict[SignerId, EvaluationSigner]] = []
    for generation in generations:
        embedder = resources.embedder_for(generation)
        unseen = embed_unseen_signers(fresh, embedder, force=plan.force)
        found.append({own.signer: own for own in unseen.signers})
    both = [signer for signer in found[0] if signer in found[1]]
    sides = [Side(one.id, one.model, {}, one.thresholds, {}) for one in generations]
    for signer in both:
        genuine = _common([(own[signer].genuine_files, own[signer].genuine) for own in found])
        forged = _common([(own[signer].forged_files, own[signer].forged) for own in found])
        if not genuine[0]:
            continue
        for place, side in enumerate(sides):
            references = tuple(
                Reference(ReferenceId(name), embedding)
                for name, embedding in genuine[place][:_FRESH_REFERENCES]
            )
            galleries, forgeries = dict(side.galleries), dict(side.forgeries)
            galleries[signer] = Gallery(signer, side.generation, references)
            forgeries[signer] = [embedding for _, embedding in forged[place]]
            sides[place] = replace(side, galleries=galleries, forgeries=forgeries)
    return compare_generations(
        sides[0],
        sides[1],
        margins=plan.margins,
        seed=plan.seed,
        progress=_telling(progress, "Comparing on fresh signatures"),
    )


_Named = list[tuple[str, Embedding]]


def _common(sides: Sequence[tuple[Sequence[str], Sequence[Embedding]]]) -> tuple[_Named, _Named]:
    """What both models could use, by file: one may find no ink where the other does."""
    by_name = [dict(zip(names, embeddings, strict=True)) for names, embeddings in sides]
    shared = sorted(by_name[0].keys() & by_name[1].keys())
    return [(name, by_name[0][name]) for name in shared], [
        (name, by_name[1][name]) for name in shared
    ]


def _reasons(
    comparison: GenerationComparison,
    fresh: GenerationComparison | None,
    bound: ActiveGeneration,
    embedded: Embedded,
) -> tuple[str, ...]:
    """What speaks against the new generation; fresh signatures can tell where galleries can't."""
    reasons: list[str] = []
    told = fresh is not None and fresh.verdict is Verdict.FIT
    if comparison.verdict is Verdict.WORSE or (comparison.verdict is Verdict.UNKNOWN and not told):
        reasons += comparison.reasons
    if fresh is not None and fresh.verdict is not Verdict.FIT:
        reasons += [f"on fresh signatures: {reason}" for reason in fresh.reasons]
    if not bound.thresholds:
        reasons.append("it has no thresholds: calibrate it with fresh signatures")
    if embedded.unusable:
        reasons.append(f"{len(embedded.unusable)} references could not be embedded")
    return tuple(reasons)


def _activate(
    resources: Resources,
    bound: ActiveGeneration,
    plan: ReindexPlan,
    by: str,
    reasons: tuple[str, ...],
    figures: dict[str, Any],
) -> Activation | None:
    """Activate it, or leave it to whoever asked to see why not."""
    try:
        return activate(resources, bound.id, by=by, reasons=reasons, gate=figures, force=plan.force)
    except GenerationUnfit:
        if reasons and not plan.force:
            return None
        raise
