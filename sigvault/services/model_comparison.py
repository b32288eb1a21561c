"""Two models on the same signers, each with its own fusion rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sigvault.datasets import Dataset
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.domain.ports import Embedder
from sigvault.domain.protocol import Seen
from sigvault.evaluation.paired import Difference, compare_systems
from sigvault.evaluation.protocols import (
    DRAWS,
    EvaluationSigner,
    compare_pairs,
    draw_comparisons,
)
from sigvault.evaluation.report_page import percent, table
from sigvault.services.unseen_signers import LEAST_SIGNERS, embed_unseen_signers


@dataclass(frozen=True)
class ModelComparison:
    """What two models do on signers that neither was trained on.

    Attributes:
        data: the data set's name.
        models: the two, in order.
        signers: the signers that both were measured on.
        left_out: signers left out because one of them was trained on them.
        seed: of the draws and the intervals.
        draws: how often references were drawn.
        differences: by number of references, kind of forgery and measure.
        warnings: why the figures are not what they seem.
    """

    data: str
    models: tuple[ModelId, ModelId]
    signers: tuple[SignerId, ...]
    left_out: tuple[SignerId, ...]
    seed: int
    draws: int
    differences: tuple[Difference, ...]
    warnings: tuple[str, ...]


def compare_models(
    dataset: Dataset,
    one: Embedder,
    other: Embedder,
    *,
    references: tuple[int, ...] = (1, 5),
    draws: int = DRAWS,
    seed: int = 0,
    seen: Seen = Seen.REFUSE,
    progress: Callable[[int], None] | None = None,
) -> ModelComparison:
    """Compare two models on the signers that neither was trained on.

    References, probes and random forgeries are the same for both.

    Args:
        dataset: the images.
        one: the first model.
        other: the second.
        references: the numbers of references.
        draws: how often references are drawn.
        seed: of the draws and the intervals.
        seen: what to do with signers that one of them was trained on.
        progress: called with the number of images done, of both models together.

    Raises:
        DatasetError: If signers were trained on and are to be refused, or too few are left.
    """
    total = len(dataset.specimens)
    found = [
        embed_unseen_signers(dataset, embedder, seen=seen, progress=_shift(progress, place * total))
        for place, embedder in enumerate((one, other))
    ]
    own, others = ({signer.signer: signer for signer in each.signers} for each in found)
    both = [signer for signer in own if signer in others]
    if len(both) < LEAST_SIGNERS:
        raise DatasetError(
            f"{len(both)} signers of {dataset.root} were seen by neither model, and "
            f"{LEAST_SIGNERS} are needed: give signatures of other signers"
        )
    shared = _share([own[signer] for signer in both], [others[signer] for signer in both])
    first, second = (compare_pairs(signers, seed=seed) for signers in shared)
    differences = tuple(
        difference
        for number in sorted(set(references))
        for difference in compare_systems(
            (draw_comparisons(first, number, draws=draws, seed=seed), one.card.fusion),
            (draw_comparisons(second, number, draws=draws, seed=seed), other.card.fusion),
            seed=seed,
        )
    )
    remarks = [remark for each in found for remark in each.remarks]
    calibrated = [
        f"NOT INDEPENDENT: the fusion rule of {embedder.model} was chosen on some of these signers"
        for embedder, each in zip((one, other), found, strict=True)
        if any(each.digests[signer] & embedder.card.calibration_digests for signer in both)
    ]
    return ModelComparison(
        data=dataset.root.resolve().name,
        models=(one.model, other.model),
        signers=tuple(both),
        left_out=tuple(signer for signer in dataset.signers if signer not in set(both)),
        seed=seed,
        draws=draws,
        differences=differences,
        warnings=tuple(dict.fromkeys((*remarks, *calibrated))),
    )


def render_comparison(found: ModelComparison) -> str:
    """A page of Markdown: rates in per cent, differences in percentage points."""
    one, other = found.models
    rows = [
        [
            str(entry.references),
            entry.forgeries,
            entry.measure,
            *(percent(rate) for rate in (entry.one, entry.other, entry.difference)),
            "yes" if entry.certain else "no",
        ]
        for entry in found.differences
    ]
    headers = ("references", "forgeries", "measure", str(one), str(other), "difference")
    lines = [
        f"# {one} against {other} on {found.data}",
        "",
        *(line for warning in found.warnings for line in (f"> **{warning}**", "")),
        f"{len(found.signers)} signers, {found.draws} draws, seed {found.seed}. Rates in per "
        "cent, in brackets 95 % intervals; each resampling draws the same signers for both.",
        "",
        *table((*headers, "beyond chance"), rows),
        "",
    ]
    return "\n".join(lines)


def _shift(progress: Callable[[int], None] | None, done: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda count: progress(done + count)


def _share(
    ones: list[EvaluationSigner], others: list[EvaluationSigner]
) -> tuple[list[EvaluationSigner], list[EvaluationSigner]]:
    """The images that both models could embed, so that draws mean the same for both."""
    kept: tuple[list[EvaluationSigner], list[EvaluationSigner]] = ([], [])
    for one, other in zip(ones, others, strict=True):
        genuine = set(one.genuine_files) & set(other.genuine_files)
        forged = set(one.forged_files) & set(other.forged_files)
        for side, own in zip(kept, (one, other), strict=True):
            side.append(_only(own, genuine, forged))
    return kept


def _only(own: EvaluationSigner, genuine: set[str], forged: set[str]) -> EvaluationSigner:
    own_genuine = [
        entry for entry in zip(own.genuine, own.genuine_files, strict=True) if entry[1] in genuine
    ]
    own_forged = [
        entry for entry in zip(own.forged, own.forged_files, strict=True) if entry[1] in forged
    ]
    return replace(
        own,
        genuine=tuple(embedding for embedding, _ in own_genuine),
        genuine_files=tuple(file for _, file in own_genuine),
        forged=tuple(embedding for embedding, _ in own_forged),
        forged_files=tuple(file for _, file in own_forged),
    )
