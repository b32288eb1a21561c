"""Measuring a model on signers that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable

from sigvault.datasets import Dataset
from sigvault.domain.comparison import select_threshold
from sigvault.domain.ports import Embedder
from sigvault.evaluation.protocols import DRAWS, compare_pairs, draw_comparisons
from sigvault.evaluation.report import EvaluationReport, measure
from sigvault.services.unseen_signers import embed_unseen_signers


def evaluate(
    dataset: Dataset,
    embedder: Embedder,
    *,
    references: tuple[int, ...] = (1, 5),
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> EvaluationReport:
    """Measure a model, its fusion rule and its own thresholds by protocol P1.

    Nothing is chosen on these signers: the fusion rule and the thresholds are those of the
    model's card, the threshold for a number of references being the one that verification
    would take.

    Args:
        dataset: the images; signers that the model was trained on are left out.
        embedder: the model.
        references: the numbers of references to report.
        draws: how often references are drawn.
        seed: of the draws and of the intervals.
        progress: called with the number of images done.

    Raises:
        DatasetError: If fewer than five signers are left, or too few have enough genuine
            signatures.
    """
    card = embedder.card
    unseen = embed_unseen_signers(dataset, embedder, progress=progress)
    pairs = compare_pairs(unseen.signers, seed=seed)
    results = [
        measure(
            draw_comparisons(pairs, number, draws=draws, seed=seed),
            card.fusion,
            select_threshold(card.thresholds, number),
            seed=seed,
        )
        for number in sorted(set(references))
    ]
    return EvaluationReport(
        data=dataset.root.resolve().name,
        model=embedder.model,
        preprocessing=embedder.preprocessing,
        fusion=card.fusion,
        seed=seed,
        images=unseen.images,
        left_out=unseen.left_out,
        calibrated_on=tuple(
            signer for signer, own in unseen.digests.items() if own & card.calibration_digests
        ),
        unusable=unseen.unusable,
        results=tuple(results),
    )
