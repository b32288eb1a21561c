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
from sigvault.domain.protocol import Seen
from sigvault.evaluation.acquisition_rates import SignerImages
from sigvault.evaluation.protocols import EvaluationSigner
from sigvault.imaging.preprocessing import read_preprocessing
from sigvault.services.acquisition import Acquired, acquire, describe, digest_of, read_source

LEAST_SIGNERS = 5
"""With fewer signers, an interval over signers says nothing."""

BATCH = 32
"""How many images are embedded at once."""


Observe = Callable[[Specimen, Acquired], None]
"""Told of every image that can serve, before it is embedded."""


@dataclass(frozen=True, eq=False)
class UnseenSigners:
    """Signers to measure a model by.

    Attributes:
        signers: their embeddings and files; also those without genuine signatures.
        left_out: signers left out because the model was trained on an image of theirs.
        unusable: images that could not serve, with the reason, a line each.
        images: how many images were embedded.
        remarks: what must be said wherever figures from these signers are shown.
        digests: SHA-256 of every file, by signer.
        counts: how many images of each signer there were, and how many could not serve.
    """

    signers: tuple[EvaluationSigner, ...]
    left_out: tuple[SignerId, ...]
    unusable: tuple[str, ...]
    images: int
    remarks: tuple[str, ...]
    digests: dict[SignerId, frozenset[str]]
    counts: tuple[SignerImages, ...]


def embed_unseen_signers(
    dataset: Dataset,
    embedder: Embedder,
    *,
    seen: Seen = Seen.LEAVE_OUT,
    force: bool = False,
    observe: Observe | None = None,
    progress: Callable[[int], None] | None = None,
) -> UnseenSigners:
    """Embed all images of the signers that the model was not trained on.

    A signer of whom the training has seen a single image, by its digest, counts as seen wholly.
    Images that can't serve are skipped and listed, and so is an image that occurs twice.

    Args:
        dataset: the images.
        embedder: the model.
        seen: what to do with signers that the model was trained on.
        force: go on with too few signers, and with signers that the model was trained on if
            there are too few others; the remarks then say so.
        observe: told of every image that can serve.
        progress: called with the number of images done, also of those not needed.

    Raises:
        DatasetError: If fewer than five signers are left, none has a genuine signature, or the
            model was trained on some and they are to be refused.
    """
    check_kind(dataset)
    digests = digest_all(dataset.specimens)
    trained = embedder.card.training_digests
    chosen, left_out, remarks = choose_signers(dataset, digests, trained, seen, force=force)
    wanted = [specimen for specimen in dataset.specimens if specimen.signer in chosen]
    run = _Run(embedder, digests, observe, progress, len(dataset.specimens) - len(wanted))
    run.embed_all(wanted)
    signers = tuple(run.signer(signer) for signer in dataset.signers if signer in chosen)
    _check_genuine(signers, dataset, force=force)
    images = sum(len(own.genuine) + len(own.forged) for own in signers)
    by_signer = {
        own.signer: frozenset(
            digest for specimen, digest in digests.items() if specimen.signer == own.signer
        )
        for own in signers
    }
    return UnseenSigners(
        signers=signers,
        left_out=left_out,
        unusable=tuple(run.unusable),
        images=images,
        remarks=remarks,
        digests=by_signer,
        counts=tuple(run.count(own.signer) for own in signers),
    )


def check_kind(dataset: Dataset) -> None:
    """Refuse what can't be evaluated as signatures.

    Raises:
        DatasetError: If writers wrote several names.
    """
    if any(specimen.text for specimen in dataset.specimens):
        raise DatasetError(
            f"{dataset.root} holds several names by each writer, not signatures: error rates of "
            "verification need one signature per signer"
        )


def digest_all(specimens: Sequence[Specimen]) -> dict[Specimen, str]:
    """SHA-256 of each file that can be read; the others fail again, and say why, later."""
    digests = {}
    for specimen in specimens:
        try:
            digests[specimen] = digest_of(read_source(specimen.path))
        except ImageError:
            continue
    return digests


def choose_signers(
    dataset: Dataset,
    digests: dict[Specimen, str],
    training_digests: frozenset[str],
    policy: Seen,
    *,
    force: bool,
) -> tuple[frozenset[SignerId], tuple[SignerId, ...], tuple[str, ...]]:
    """(signers to use, signers left out, remarks)."""
    seen = {specimen.signer for specimen, own in digests.items() if own in training_digests}
    unseen = frozenset(dataset.signers) - seen
    left_out = tuple(signer for signer in dataset.signers if signer in seen)
    if seen and policy is Seen.REFUSE:
        raise DatasetError(
            f"the model was trained on {len(seen)} of the {len(dataset.signers)} signers in "
            f"{dataset.root} ({', '.join(left_out[:5])}{', …' if len(left_out) > 5 else ''}): "
            "measure it on the others alone (--unseen-only), or force it (--force) and don't "
            "trust the rates"
        )
    if len(unseen) >= LEAST_SIGNERS and policy is not Seen.INCLUDE:
        return unseen, left_out, ()
    force = force or policy is Seen.INCLUDE
    if not force:
        raise DatasetError(
            f"{len(unseen)} of the {len(dataset.signers)} signers in {dataset.root} were not "
            f"trained on, and at least {LEAST_SIGNERS} are needed: give signatures of other "
            "signers, or force it (--force) and don't trust the rates"
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


def embed_specimens(
    embedder: Embedder, batch: Sequence[tuple[Specimen, InkImage]]
) -> list[tuple[Specimen, Embedding]]:
    """Embed a batch: genuine signatures as references, which they may be, and forgeries as probes.

    Returns:
        Genuine ones first, each kind in order.
    """
    found: list[tuple[Specimen, Embedding]] = []
    for genuine in (True, False):
        kind = [(specimen, ink) for specimen, ink in batch if specimen.genuine is genuine]
        embeddings = embedder.embed([ink for _, ink in kind], as_references=genuine)
        found += zip((specimen for specimen, _ in kind), embeddings, strict=True)
    return found


class _Run:
    """One pass over the images: what it found so far."""

    def __init__(
        self,
        embedder: Embedder,
        digests: dict[Specimen, str],
        observe: Observe | None,
        progress: Callable[[int], None] | None,
        done: int,
    ) -> None:
        """Take what to work with, and how many images are done by not being needed."""
        self.unusable: list[str] = []
        self._found: defaultdict[tuple[SignerId, bool], list[tuple[Embedding, str]]] = defaultdict(
            list
        )
        self._failed: defaultdict[tuple[SignerId, bool], int] = defaultdict(int)
        self._observe = observe
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
            for specimen, embedding in embed_specimens(self._embedder, batch):
                entry = embedding, str(specimen.path)
                self._found[specimen.signer, specimen.genuine].append(entry)

    def signer(self, signer: SignerId) -> EvaluationSigner:
        """A signer's embeddings."""
        genuine, forged = self._found[signer, True], self._found[signer, False]
        return EvaluationSigner(
            signer,
            genuine=tuple(embedding for embedding, _ in genuine),
            forged=tuple(embedding for embedding, _ in forged),
            genuine_files=tuple(file for _, file in genuine),
            forged_files=tuple(file for _, file in forged),
        )

    def count(self, signer: SignerId) -> SignerImages:
        """How many images of a signer there were; one that occurs twice counts once."""
        totals = [
            len(self._found[signer, genuine]) + self._failed[signer, genuine]
            for genuine in (True, False)
        ]
        return SignerImages(
            signer=signer,
            genuine=totals[0],
            genuine_failed=self._failed[signer, True],
            forged=totals[1],
            forged_failed=self._failed[signer, False],
        )

    def _acquire(self, specimens: Sequence[Specimen]) -> Iterator[tuple[Specimen, InkImage]]:
        for specimen in specimens:
            twin = self._first.setdefault(self._digests.get(specimen, ""), specimen)
            if specimen in self._digests and twin is not specimen:
                self.unusable.append(f"{specimen.path}: the same image as {twin.path}")
            else:
                try:
                    yield specimen, self._prepare(specimen)
                except (ImageError, FailureToAcquire) as error:
                    self._failed[specimen.signer, specimen.genuine] += 1
                    self.unusable.append(f"{specimen.path}: {type(error).__name__}: {error}")
            self._done += 1
            if self._progress is not None:
                self._progress(self._done)

    def _prepare(self, specimen: Specimen) -> InkImage:
        acquired = acquire(read_source(specimen.path), self._preprocessing)
        if acquired.severe:
            raise FailureToAcquire(describe(acquired.severe))
        if self._observe is not None:
            self._observe(specimen, acquired)
        return acquired.prepared.ink
