"""Making thresholds from signatures of signers that the model was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sigvault.datasets import Dataset
from sigvault.domain.aims import CALIBRATED_REFERENCES, Aim, Measure
from sigvault.domain.comparison import Threshold
from sigvault.domain.errors import DatasetError, GenerationMismatch, UnsupportedAim
from sigvault.domain.identifiers import EventNumber, GenerationId
from sigvault.domain.ports import Embedder
from sigvault.evaluation.calibration import Aims, Provenance, calibrate, cap_copy_limits
from sigvault.evaluation.error_rates import BOOTSTRAPS
from sigvault.evaluation.protocols import (
    DRAWS,
    ComparisonScores,
    EvaluationSigner,
    SignerPairs,
    compare_pairs,
    draw_comparisons,
)
from sigvault.services.resources import Resources, load_active
from sigvault.services.unseen_signers import LEAST_SIGNERS, UnseenSigners, embed_unseen_signers
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.thresholds import put_thresholds


@dataclass(frozen=True)
class Calibration:
    """Thresholds for a model, not stored anywhere yet.

    Attributes:
        thresholds: by rising number of references.
        signers: how many signers they rest on.
        skipped: signers, images and numbers of references left out, with the reason, a line
            each.
    """

    thresholds: tuple[Threshold, ...]
    signers: int
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class CalibrationReport:
    """What a calibration changed.

    Attributes:
        generation: the generation that the thresholds belong to.
        thresholds: by rising number of references.
        signers: how many signers they rest on.
        skipped: signers, images and numbers of references left out, with the reason, a line
            each.
        event: the audit event; None if they were only to be seen.
    """

    generation: GenerationId
    thresholds: tuple[Threshold, ...]
    signers: int
    skipped: tuple[str, ...]
    event: EventNumber | None


@dataclass(frozen=True)
class CalibrationPlan:
    """How to calibrate.

    Attributes:
        references: the numbers of references to make thresholds for, each at least 1.
        draws: how often references are drawn.
        seed: of the draws.
        aims: the error rates that operating points are set by.
        force: go on with too few signers, with signers that the model was trained on, or with
            aims that the data can't support.
        require_aims: refuse aims that the data can't support; they were asked for.
    """

    references: tuple[int, ...] = CALIBRATED_REFERENCES
    draws: int = DRAWS
    seed: int = 0
    aims: Aims = field(default_factory=Aims)
    force: bool = False
    require_aims: bool = False


def calibrate_vault(
    resources: Resources,
    dataset: Dataset,
    plan: CalibrationPlan | None = None,
    *,
    preview: bool = False,
    progress: Callable[[int], None] | None = None,
) -> CalibrationReport:
    """Put new thresholds in the place of the active generation's, with an audit event.

    Args:
        resources: the vault's.
        dataset: signatures of signers that the model was not trained on.
        plan: how; the defaults if None.
        preview: only say what they would be; those in use stay.
        progress: called with the number of images done.

    Raises:
        DatasetError: If the data don't suffice.
        GenerationMismatch: If the model at hand is not the active generation's, or another
            generation became active meanwhile.
        StorageFailed: If the database fails; the old thresholds are kept.
    """
    with read_session(resources.engine) as session:
        active = load_active(session)
    made = calibrate_model(dataset, resources.embedder_for(active), plan, progress=progress)
    if preview:
        return CalibrationReport(active.id, made.thresholds, made.signers, made.skipped, None)
    with write_session(resources.engine) as session:
        if load_active(session).id != active.id:
            raise GenerationMismatch("another generation became active meanwhile: calibrate again")
        event = put_thresholds(session, active.id, made.thresholds, at=resources.clock())
    return CalibrationReport(active.id, made.thresholds, made.signers, made.skipped, event)


def calibrate_model(
    dataset: Dataset,
    embedder: Embedder,
    plan: CalibrationPlan | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """Make thresholds for a model by the fusion rule of its card.

    Args:
        dataset: signatures of signers that the model was not trained on.
        embedder: the model.
        plan: how; the defaults if None.
        progress: called with the number of images done.

    Raises:
        DatasetError: If the data don't suffice for any number of references.
        UnsupportedAim: If they can't support an aim that was asked for.
    """
    plan = plan or CalibrationPlan()
    unseen = embed_unseen_signers(dataset, embedder, force=plan.force, progress=progress)
    made = calibrate_signers(
        unseen.signers,
        embedder,
        plan,
        data=dataset.root.resolve().name,
        remarks=unseen.remarks,
    )
    return replace(made, skipped=(*_left_out(unseen), *made.skipped))


def calibrate_signers(
    signers: Sequence[EvaluationSigner],
    embedder: Embedder,
    plan: CalibrationPlan | None = None,
    *,
    data: str,
    remarks: tuple[str, ...] = (),
    bootstraps: int = BOOTSTRAPS,
) -> Calibration:
    """Make thresholds from signers that are embedded already.

    Args:
        signers: signers that the model was not trained on.
        embedder: the model that embedded them.
        plan: how; the defaults if None.
        data: what the signatures are called.
        remarks: what must be said wherever the thresholds are shown.
        bootstraps: how many times signers are resampled.

    Raises:
        DatasetError: If the signers don't suffice for any number of references.
        UnsupportedAim: If they can't support an aim that was asked for.
    """
    plan = plan or CalibrationPlan()
    provenance = Provenance(
        data=data,
        model=embedder.model,
        preprocessing=embedder.preprocessing,
        seed=plan.seed,
        remarks=remarks,
    )
    drawn, skipped = _draw_all(compare_pairs(signers, seed=plan.seed), plan)
    thresholds = [
        calibrate(scores, embedder.card.fusion, provenance, aims=plan.aims, bootstraps=bootstraps)
        for scores in drawn
    ]
    if not thresholds:
        raise DatasetError(f"nobody can be calibrated with {data}: " + "; ".join(skipped))
    if plan.require_aims and not plan.force:
        _require_aims(thresholds, plan.aims)
    return Calibration(
        thresholds=cap_copy_limits(thresholds),
        signers=max(threshold.origin.signers for threshold in thresholds),
        skipped=tuple(skipped),
    )


def _require_aims(thresholds: Sequence[Threshold], aims: Aims) -> None:
    """Raise UnsupportedAim where an aim other than the defaults rests on too little."""
    for measure in Measure:
        rate = getattr(aims, measure.value)
        if rate == getattr(Aims(), measure.value):
            continue
        for threshold in thresholds:
            if rate == 0.0:
                raise UnsupportedAim(
                    f"no data can support the aim {measure.value} 0: the smallest that these "
                    f"support is {threshold.least_rate(measure):.5f}"
                )
            threshold.require_support(Aim(measure, rate))


def _draw_all(
    pairs: Sequence[SignerPairs], plan: CalibrationPlan
) -> tuple[list[ComparisonScores], list[str]]:
    """Comparisons for each number of references that enough signers allow, and why not."""
    least = 2 if plan.force else LEAST_SIGNERS
    drawn, skipped = [], []
    for references in sorted(set(plan.references)):
        fitting = sum(own.genuine > references for own in pairs)
        if fitting < least:
            skipped.append(
                f"no threshold for {references} references: {fitting} signers have the "
                f"{references + 1} genuine signatures that it takes, {least} are needed"
            )
            continue
        scores = draw_comparisons(pairs, references, draws=plan.draws, seed=plan.seed)
        drawn.append(scores)
        skipped += [
            f"signer {signer} left out for {references} references: fewer than "
            f"{references + 1} genuine signatures"
            for signer in scores.skipped
        ]
    return drawn, skipped


def _left_out(unseen: UnseenSigners) -> list[str]:
    trained = [f"signer {signer} left out: trained on" for signer in unseen.left_out]
    orphans = [
        f"signer {own.signer} left out: forgeries without genuine signatures"
        for own in unseen.signers
        if not own.genuine
    ]
    return [*trained, *orphans, *unseen.unusable]
