"""Moving a vault to another model: embed everything anew, compare, and only then let it decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sigvault.domain.errors import ConfigurationError, GenerationUnfit
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import GenerationId, ModelId, SignerKey
from sigvault.domain.ports import Embedder
from sigvault.evaluation.generation_changes import Margins, Verdict
from sigvault.evaluation.generation_comparison import GenerationComparison, compare_generations
from sigvault.evaluation.generation_scores import MOST_SIGNERS, Side
from sigvault.evaluation.probe_flips import ProbeFlips
from sigvault.services.filling import BATCH, Embedded, begin_generation, fill
from sigvault.services.generations import (
    Activation,
    activate,
    complete,
    read_generation,
    refuse_active,
    require_decidable,
)
from sigvault.services.probe_replay import replay_probes
from sigvault.services.resources import Resources, bind, load_active
from sigvault.storage.embeddings import load_galleries
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.generations import get_generation
from sigvault.storage.signers import list_signers
from sigvault.storage.thresholds import put_thresholds

if TYPE_CHECKING:
    from sigvault.datasets import Dataset

Advance = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class ReindexPlan:
    """How a vault is moved.

    Attributes:
        batch: how many images are embedded and committed at once.
        readers: how many threads read images; one for each core but one if None.
        margins: how much worse the new generation may be.
        fresh: signatures that were never enrolled, to compare on as well; signers that a model
            was trained on or has its thresholds from are left out.
        calibrate: whether to make the new thresholds from ``fresh``, instead of taking the card's;
            each of its signers is then compared by thresholds from the others.
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
        probes: how decisions about kept probes would change; None where none is kept.
        activation: that it decides from now on; None if it doesn't.
        reasons: what speaks against it; empty if nothing does.
    """

    generation: GenerationId
    model: ModelId
    embedded: Embedded
    comparison: GenerationComparison
    fresh: GenerationComparison | None
    probes: ProbeFlips | None
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
    fresh = None
    if plan.fresh is not None:
        fresh = _choose_fresh(resources, active, embedder, plan.fresh, calibrate=plan.calibrate)
    bound = begin_generation(resources, embedder, by=by)
    embedded = fill(
        resources,
        bound,
        embedder,
        batch=plan.batch,
        readers=plan.readers,
        progress=_telling(progress, "Embedding"),
    )
    on_fresh = None
    if fresh is not None:
        on_fresh = _compare_fresh(resources, active, bound, fresh, plan, progress)
    bound = read_generation(resources, bound.id)
    comparison = compare_galleries(
        resources,
        active,
        bound,
        margins=plan.margins,
        seed=plan.seed,
        progress=_telling(progress, "Comparing"),
    )
    probes = replay_probes(
        resources,
        active,
        bound,
        threads=plan.readers or 1,
        progress=_telling(progress, "Deciding about kept probes"),
    )
    reasons = _reasons(comparison, on_fresh, bound, unusable=len(embedded.unusable))
    activation = None
    if plan.activate:
        figures = _figures(comparison, on_fresh, probes)
        activation = _activate(resources, bound, plan, by, reasons, figures)
    return Reindexing(
        bound.id, bound.model, embedded, comparison, on_fresh, probes, activation, reasons
    )


def activate_compared(
    resources: Resources,
    generation: GenerationId,
    *,
    by: str,
    margins: Margins | None = None,
    fresh: Dataset | None = None,
    force: bool = False,
    progress: Advance | None = None,
) -> Activation:
    """Complete a generation, compare it with the active one, and let it decide if it is fit.

    What it lacks is embedded first, so that nothing decides that was not compared.

    Args:
        resources: the vault's.
        generation: the generation.
        by: who activates it.
        margins: how much worse it may be; the defaults if None.
        fresh: signatures that were never enrolled, to compare on as well; see `ReindexPlan`.
        force: let it decide all the same, which is recorded.
        progress: told how far it is.

    Raises:
        UnknownGeneration: If there is none.
        ConfigurationError: If it decides already.
        GenerationUnfit: If it may not decide; its ``reasons`` say why.
        DatasetError: If the fresh signatures don't suffice.
    """
    with read_session(resources.engine) as session:
        active = load_active(session)
        bound = bind(session, get_generation(session, generation))
    require_decidable(bound)
    refuse_active(active.id, generation)
    chosen = None
    if fresh is not None:
        chosen = _choose_fresh(resources, active, resources.embedder_for(bound), fresh)
    lacked = complete(resources, bound, _telling(progress, "Embedding"))
    on_fresh = None
    if chosen is not None:
        plan = ReindexPlan(margins=margins or Margins())
        on_fresh = _compare_fresh(resources, active, bound, chosen, plan, progress)
    comparison = compare_galleries(
        resources, active, bound, margins=margins, progress=_telling(progress, "Comparing")
    )
    done = activate(
        resources,
        generation,
        by=by,
        reasons=_reasons(comparison, on_fresh, bound),
        gate=_figures(comparison, on_fresh),
        force=force,
    )
    return replace(done, embedded=done.embedded + lacked)


def compare_galleries(
    resources: Resources,
    old: BoundGeneration,
    new: BoundGeneration,
    *,
    margins: Margins | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> GenerationComparison:
    """Compare two generations on the vault's own galleries, or some of them drawn at random."""
    with read_session(resources.engine) as session:
        keys = [each.signer.key for each in list_signers(session) if each.references]
        chosen = _draw(keys, seed)
        galleries = [load_galleries(session, chosen, side.id) for side in (old, new)]
    shared = [own for own in (_shared(key, galleries) for key in chosen) if own is not None]
    sides = [
        Side(
            side.id,
            side.model,
            {own[place].signer: own[place] for own in shared},
            side.thresholds,
        )
        for place, side in enumerate((old, new))
    ]
    return compare_generations(
        sides[0],
        sides[1],
        margins=margins,
        lacking=len(chosen) - len(shared),
        seed=seed,
        progress=progress,
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


@dataclass(frozen=True, eq=False)
class _Fresh:
    """Fresh signatures, chosen before anything is embedded: what is wrong with them shows early.

    Attributes:
        chosen: the signatures.
        old: the model of the generation that decides.
        new: the other one.
    """

    chosen: Dataset
    old: Embedder
    new: Embedder

    @property
    def data(self) -> str:
        """What they are called."""
        return self.chosen.root.resolve().name


def _choose_fresh(
    resources: Resources,
    active: BoundGeneration,
    embedder: Embedder,
    given: Dataset,
    *,
    calibrate: bool = False,
) -> _Fresh:
    from sigvault.services.fresh_comparison import choose_fresh  # noqa: PLC0415 - scikit-learn

    old = resources.embedder_for(active)
    return _Fresh(choose_fresh(given, (old, embedder), calibrate=calibrate), old, embedder)


def _compare_fresh(
    resources: Resources,
    active: BoundGeneration,
    bound: BoundGeneration,
    fresh: _Fresh,
    plan: ReindexPlan,
    progress: Advance | None,
) -> GenerationComparison:
    """Compare on fresh signatures; put thresholds from them in place first, if that is asked."""
    from sigvault.services import fresh_comparison  # noqa: PLC0415 - scikit-learn
    from sigvault.services.calibration import calibrate_signers  # noqa: PLC0415

    telling = _telling(progress, "Embedding fresh signatures")
    old, new = (
        fresh_comparison.embed_fresh(fresh.chosen, each, telling) for each in (fresh.old, fresh.new)
    )
    held_out = None
    if plan.calibrate:
        held_out = fresh_comparison.hold_out(new, fresh.new, data=fresh.data, seed=plan.seed)
        made = calibrate_signers(tuple(new.values()), fresh.new, data=fresh.data)
        with write_session(resources.engine) as session:
            put_thresholds(session, bound.id, made.thresholds, at=resources.clock())
        bound = read_generation(resources, bound.id)
    return fresh_comparison.compare_fresh(
        (active, old),
        (bound, new),
        held_out=held_out,
        margins=plan.margins,
        seed=plan.seed,
        progress=_telling(progress, "Comparing on fresh signatures"),
    )


def _reasons(
    comparison: GenerationComparison,
    fresh: GenerationComparison | None,
    bound: BoundGeneration,
    *,
    unusable: int = 0,
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
    if unusable:
        reasons.append(
            f"{unusable} references could not be embedded: restore their images, or "
            "erase them or their signers, and enroll others"
        )
    return tuple(reasons)


def _figures(
    comparison: GenerationComparison,
    fresh: GenerationComparison | None,
    probes: ProbeFlips | None = None,
) -> dict[str, Any]:
    """What the audit log keeps of the gate."""
    found = {"galleries": comparison, "fresh": fresh, "probes": probes}
    return {name: one.summary() for name, one in found.items() if one is not None}


def _activate(
    resources: Resources,
    bound: BoundGeneration,
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
