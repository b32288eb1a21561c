"""Two generations on signatures that were never enrolled, and that neither model knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sigvault.datasets import Dataset
from sigvault.domain.aims import LEAST_SIGNERS
from sigvault.domain.comparison import Threshold
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import DatasetError
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import ReferenceId, SignerId
from sigvault.domain.ports import Embedder
from sigvault.evaluation.generation_changes import Margins
from sigvault.evaluation.generation_comparison import GenerationComparison, compare_generations
from sigvault.evaluation.generation_scores import Side
from sigvault.evaluation.protocols import EvaluationSigner
from sigvault.services.calibration import calibrate_signers
from sigvault.services.unseen_signers import (
    LEAST_SIGNERS as LEAST_UNSEEN,
)
from sigvault.services.unseen_signers import (
    check_kind,
    digest_all,
    embed_unseen_signers,
)

_REFERENCES = 6
"""Genuine signatures of a fresh signer that make a gallery: five and a probe."""

_FOLDS = 5
"""Parts of the signers that are decided about by thresholds from the other parts."""

Signers = Mapping[SignerId, EvaluationSigner]
"""Fresh signers as one model embeds them."""


def choose_fresh(fresh: Dataset, embedders: Sequence[Embedder], *, calibrate: bool) -> Dataset:
    """The signers that no model was trained on, and that no card's thresholds were made from.

    One image that a model has seen rules out its signer.

    Args:
        fresh: the signatures.
        embedders: the models.
        calibrate: whether thresholds are made from them as well.

    Raises:
        DatasetError: If too few are left.
    """
    check_kind(fresh)
    cards = [embedder.card for embedder in embedders]
    known = frozenset().union(*(card.training_digests | card.calibration_digests for card in cards))
    digests = digest_all(fresh.specimens)
    seen = {specimen.signer for specimen, digest in digests.items() if digest in known}
    left = tuple(specimen for specimen in fresh.specimens if specimen.signer not in seen)
    signers = len({specimen.signer for specimen in left})
    least = LEAST_SIGNERS if calibrate else LEAST_UNSEEN
    if signers < least:
        raise DatasetError(
            f"{signers} of the {len(fresh.signers)} signers in {fresh.root} are fresh to both "
            f"models, which were trained on the others or take their thresholds from them, and at "
            f"least {least} are needed: give other signatures to compare on"
        )
    return replace(fresh, specimens=left)


def embed_fresh(
    fresh: Dataset, embedder: Embedder, progress: Callable[[int, int], None] | None = None
) -> Signers:
    """The fresh signers that have genuine signatures, as a model embeds them."""
    total = len(fresh.specimens)
    unseen = embed_unseen_signers(
        fresh,
        embedder,
        progress=None if progress is None else lambda done: progress(done, total),
    )
    return {own.signer: own for own in unseen.signers if own.genuine}


def hold_out(
    signers: Signers, embedder: Embedder, *, data: str, seed: int = 0
) -> dict[SignerId, tuple[Threshold, ...]]:
    """Thresholds for each signer that were made from others, in folds.

    Thresholds that were made from a signer fit that signer too well to be compared by.

    Raises:
        DatasetError: If the signers don't suffice.
    """
    order = np.random.default_rng(seed).permutation(len(signers))
    names = [list(signers)[place] for place in order]
    made: dict[SignerId, tuple[Threshold, ...]] = {}
    for fold in range(_FOLDS):
        held = names[fold::_FOLDS]
        others = [own for signer, own in signers.items() if signer not in held]
        calibration = calibrate_signers(others, embedder, data=data, bootstraps=1)
        made |= dict.fromkeys(held, calibration.thresholds)
    return made


def compare_fresh(
    old: tuple[BoundGeneration, Signers],
    new: tuple[BoundGeneration, Signers],
    *,
    held_out: Mapping[SignerId, tuple[Threshold, ...]] | None = None,
    margins: Margins | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> GenerationComparison:
    """Compare on the images that both models could use: one may find no ink where the other does.

    Args:
        old: the generation that decides, and the signers as its model embeds them.
        new: the other one.
        held_out: the new one's thresholds for signers that its own were made from.
        margins: how much worse it may be.
        seed: of what is drawn.
        progress: told how many signers are compared, and of how many.
    """
    both = [signer for signer in old[1] if signer in new[1]]
    sides = [
        Side(generation.id, generation.model, {}, generation.thresholds, {}, held)
        for (generation, _), held in ((old, {}), (new, held_out or {}))
    ]
    galleries: list[dict[SignerId, Gallery]] = [{}, {}]
    forgeries: list[dict[SignerId, list[Embedding]]] = [{}, {}]
    for signer in both:
        own = (old[1][signer], new[1][signer])
        genuine = _common([dict(zip(one.genuine_files, one.genuine, strict=True)) for one in own])
        forged = _common([dict(zip(one.forged_files, one.forged, strict=True)) for one in own])
        if not genuine[0]:
            continue
        for place, side in enumerate(sides):
            references = tuple(
                Reference(ReferenceId(name), embedding)
                for name, embedding in genuine[place][:_REFERENCES]
            )
            galleries[place][signer] = Gallery(signer, side.generation, references)
            forgeries[place][signer] = [embedding for _, embedding in forged[place]]
    old_side, new_side = (
        replace(side, galleries=galleries[place], forgeries=forgeries[place])
        for place, side in enumerate(sides)
    )
    return compare_generations(
        old_side,
        new_side,
        margins=margins,
        lacking=len(old[1].keys() | new[1].keys()) - len(galleries[0]),
        seed=seed,
        progress=progress,
    )


def _common(by_file: Sequence[Mapping[str, Embedding]]) -> list[list[tuple[str, Embedding]]]:
    """What is there of each side, in the same order, of the files that all sides have."""
    shared = sorted(by_file[0].keys() & by_file[1].keys())
    return [[(name, own[name]) for name in shared] for own in by_file]
