"""From a folder of signatures to embedded signers that the model has never seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sigvault.datasets import Dataset, Specimen
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import DatasetError, FailureToAcquire, ImageError
from sigvault.domain.identifiers import SignerId
from sigvault.domain.image import InkImage
from sigvault.domain.ports import Embedder
from sigvault.evaluation.protocols import EvaluationSigner
from sigvault.imaging.preprocessing import read_preprocessing
from sigvault.services.acquisition import acquire, describe, digest_of, read_source

LEAST_SIGNERS = 5
"""With fewer signers, an interval over signers says nothing."""

BATCH = 32
"""How many images are embedded at once."""


@dataclass(frozen=True, eq=False)
class UnseenSigners:
    """Signers to measure a model by.

    Attributes:
        signers: their embeddings; also those without genuine signatures.
        left_out: signers left out because the model was trained on an image of theirs.
        unusable: images that could not serve, with the reason, a line each.
        images: how many images were embedded.
        remarks: what must be said wherever figures from these signers are shown.
        digests: SHA-256 of every file, by signer.
    """

    signers: tuple[EvaluationSigner, ...]
    left_out: tuple[SignerId, ...]
    unusable: tuple[str, ...]
    images: int
    remarks: tuple[str, ...]
    digests: dict[SignerId, frozenset[str]]


def embed_unseen_signers(
    dataset: Dataset,
    embedder: Embedder,
    *,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> UnseenSigners:
    """Embed all images of the signers that the model was not trained on.

    A signer of whom the training has seen a single image, by its digest, is left out wholly.
    Images that can't serve are skipped and listed, and so is an image that occurs twice.

    Args:
        dataset: the images.
        embedder: the model.
        force: go on with too few signers, and with signers that the model was trained on if
            there are too few others; the remarks then say so.
        progress: called with the number of images done, also of those not needed.

    Raises:
        DatasetError: If fewer than five signers are left, or none has a genuine signature.
    """
    _check_kind(dataset)
    digests = _digests(dataset.specimens)
    chosen, left_out, remarks = _choose(dataset, digests, embedder.card.training_digests, force)
    wanted = [specimen for specimen in dataset.specimens if specimen.signer in chosen]
    run = _Run(embedder, digests, progress, len(dataset.specimens) - len(wanted))
    run.embed_all(wanted)
    signers = tuple(
        EvaluationSigner(signer, tuple(run.found[signer, True]), tuple(run.found[signer, False]))
        for signer in dataset.signers
        if signer in chosen
    )
    _check_genuine(signers, dataset, force=force)
    images = sum(len(own.genuine) + len(own.forged) for own in signers)
    by_signer = {
        own.signer: frozenset(
            digest for specimen, digest in digests.items() if specimen.signer == own.signer
        )
        for own in signers
    }
    return UnseenSigners(signers, left_out, tuple(run.unusable), images, remarks, by_signer)


def _check_kind(dataset: Dataset) -> None:
    if any(specimen.text for specimen in dataset.specimens):
        raise DatasetError(
            f"{dataset.root} holds several names by each writer, not signatures: error rates of "
            "verification need one signature per signer"
        )


def _digests(specimens: Sequence[Specimen]) -> dict[Specimen, str]:
    """SHA-256 of each file that can be read; the others fail again, and say why, later."""
    digests = {}
    for specimen in specimens:
        try:
            digests[specimen] = digest_of(read_source(specimen.path))
        except ImageError:
            continue
    return digests


def _choose(
    dataset: Dataset,
    digests: dict[Specimen, str],
    training_digests: frozenset[str],
    force: bool,
) -> tuple[frozenset[SignerId], tuple[SignerId, ...], tuple[str, ...]]:
    """(signers to use, signers left out, remarks)."""
    seen = {specimen.signer for specimen, own in digests.items() if own in training_digests}
    unseen = frozenset(dataset.signers) - seen
    left_out = tuple(signer for signer in dataset.signers if signer in seen)
    if len(unseen) >= LEAST_SIGNERS:
        return unseen, left_out, ()
    if not force:
        raise DatasetError(
            f"{len(unseen)} of the {len(dataset.signers)} signers in {dataset.root} were not "
            f"trained on, and at least {LEAST_SIGNERS} are needed: give signatures of other "
            "signers, or force it and don't trust the rates"
        )
    remarks = []
    if seen:
        remarks.append(
            f"FORCED: the model was trained on {len(seen)} of these signers, so the true rates "
            "are worse"
        )
    if len(dataset.signers) < LEAST_SIGNERS:
        remarks.append(f"FORCED: {len(dataset.signers)} signers are too few to say much")
    return frozenset(dataset.signers), (), tuple(remarks)


def _check_genuine(signers: Sequence[EvaluationSigner], dataset: Dataset, *, force: bool) -> None:
    with_genuine = sum(bool(own.genuine) for own in signers)
    if not with_genuine:
        raise DatasetError(
            f"{dataset.root} holds forgeries without genuine signatures to compare them with: "
            "add genuine signatures of the same signers"
        )
    if with_genuine < (2 if force else LEAST_SIGNERS):
        raise DatasetError(
            f"{with_genuine} of {len(signers)} signers in {dataset.root} have genuine signatures "
            f"that can serve, and at least {LEAST_SIGNERS} are needed: add genuine signatures"
        )


class _Run:
    """One pass over the images: what it found so far."""

    def __init__(
        self,
        embedder: Embedder,
        digests: dict[Specimen, str],
        progress: Callable[[int], None] | None,
        done: int,
    ) -> None:
        """Take what to work with, and how many images are done by not being needed."""
        self.found: defaultdict[tuple[SignerId, bool], list[Embedding]] = defaultdict(list)
        self.unusable: list[str] = []
        self._embedder = embedder
        self._preprocessing = read_preprocessing(embedder.card.preprocessing)
        self._digests = digests
        self._progress = progress
        self._done = done
        self._first: dict[str, Specimen] = {}

    def embed_all(self, specimens: Sequence[Specimen]) -> None:
        """Read, harmonise and embed images in batches."""
        usable = self._acquire(specimens)
        while batch := list(islice(usable, BATCH)):
            embeddings = self._embedder.embed([ink for _, ink in batch])
            for (specimen, _), embedding in zip(batch, embeddings, strict=True):
                self.found[specimen.signer, specimen.genuine].append(embedding)

    def _acquire(self, specimens: Sequence[Specimen]) -> Iterator[tuple[Specimen, InkImage]]:
        for specimen in specimens:
            try:
                yield specimen, self._prepare(specimen)
            except (ImageError, FailureToAcquire) as error:
                self.unusable.append(f"{specimen.path}: {type(error).__name__}: {error}")
            self._done += 1
            if self._progress is not None:
                self._progress(self._done)

    def _prepare(self, specimen: Specimen) -> InkImage:
        twin = self._first.setdefault(self._digests.get(specimen, ""), specimen)
        if specimen in self._digests and twin is not specimen:
            raise FailureToAcquire(f"the same image as {twin.path}")
        acquired = acquire(read_source(specimen.path), self._preprocessing)
        if acquired.severe:
            raise FailureToAcquire(describe(acquired.severe))
        return acquired.prepared.ink
