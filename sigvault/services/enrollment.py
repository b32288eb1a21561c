"""Enrolling references, one or many: each is whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.orm import Session

from sigvault.domain.audit import EnrollmentFailed, ReferenceEnrolled
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import (
    ConfigurationError,
    DuplicateAcrossSigners,
    FailureToEnroll,
    GenerationMismatch,
    ImageError,
    SigvaultError,
    StorageFailed,
)
from sigvault.domain.gallery import Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId, SignerKey
from sigvault.domain.image import QualityFinding
from sigvault.domain.ports import Embedder
from sigvault.domain.serialisation import finding_to_dict
from sigvault.imaging.preprocessing import Recipe
from sigvault.services.acquisition import Acquired, acquire, describe, read_source
from sigvault.services.pending_images import settle_pending
from sigvault.services.reading_ahead import read_ahead
from sigvault.services.repeated_scans import RepeatedScan, RepeatedScans
from sigvault.services.resources import Resources, load_active, recipe_of
from sigvault.storage.audit_log import append
from sigvault.storage.embeddings import add_embeddings
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.generations import active_generation
from sigvault.storage.references import Holder, add_reference, holders
from sigvault.storage.signers import add_signer, find_signer
from sigvault.storage.tables import SignerRow

BATCH = 32
"""How many images are embedded at once: beyond it, throughput on a CPU no longer grows."""

REPEATED_SCAN = "RepeatedScan"
"""What the audit log calls it where a picture was left out as another scan of a reference."""

_READERS = 4
"""At most so many threads decode; more would only compete with the embedding."""


@dataclass(frozen=True)
class EnrollmentItem:
    """An image to enroll.

    Attributes:
        signer: whose genuine signature it is.
        source: a file, or the bytes of one.
        name: how to call it in results; the path if empty.
    """

    signer: SignerId
    source: Path | bytes
    name: str = ""

    def __post_init__(self) -> None:
        """Check the signer's identifier.

        Raises:
            ConfigurationError: If it is empty, has control characters or blank ends.
        """
        if not self.signer or self.signer != self.signer.strip() or not self.signer.isprintable():
            raise ConfigurationError(
                f"{self.signer!r} can't identify a signer: use printable characters, such as 53"
            )

    @property
    def label(self) -> str:
        """How to call it for people."""
        return self.name or (str(self.source) if isinstance(self.source, Path) else "image")


class EnrollmentOutcome(StrEnum):
    """What became of an image; a further scan of an enrolled signature is there already, too."""

    ENROLLED = "enrolled"
    ALREADY = "already-enrolled"
    FAILED = "failed"


@dataclass(frozen=True)
class ItemResult:
    """What became of one image.

    Attributes:
        item: its label.
        signer: whose signature it was to be.
        outcome: whether it is enrolled.
        reference: the reference, also where it was enrolled before, or is one that the image is
            another scan of; None if it failed.
        digest: SHA-256 of the bytes, hex; None if they couldn't be read.
        findings: what quality inspection noticed.
        error: the name of the error, such as ``"FailureToEnroll"``; None if it didn't fail.
        message: what happened, in words; empty if it was enrolled without findings.
        repeated: whether it is left out as another scan of the reference.
    """

    item: str
    signer: SignerId
    outcome: EnrollmentOutcome
    reference: ReferenceId | None = None
    digest: str | None = None
    findings: tuple[QualityFinding, ...] = ()
    error: str | None = None
    message: str = ""
    repeated: bool = False


@dataclass(frozen=True)
class EnrollmentReport:
    """What became of all images.

    Attributes:
        results: one an image, in their order.
    """

    results: tuple[ItemResult, ...]

    @property
    def enrolled(self) -> int:
        """How many were enrolled."""
        return self._count(EnrollmentOutcome.ENROLLED)

    @property
    def already(self) -> int:
        """How many had been enrolled for the same signer before, or are such scanned again."""
        return self._count(EnrollmentOutcome.ALREADY)

    @property
    def failed(self) -> int:
        """How many could not be enrolled."""
        return self._count(EnrollmentOutcome.FAILED)

    def _count(self, outcome: EnrollmentOutcome) -> int:
        return sum(result.outcome is outcome for result in self.results)


class EnrollmentInterrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of many images; all that the report lists is settled.

    Attributes:
        report: what became of the images before.
    """

    def __init__(self, report: EnrollmentReport) -> None:
        """Say how far it came."""
        super().__init__(f"interrupted after {len(report.results)} images; they are kept")
        self.report = report


def enroll(
    resources: Resources,
    items: Iterable[EnrollmentItem],
    *,
    by: str,
    names: Mapping[SignerId, str] | None = None,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> EnrollmentReport:
    """Enroll images; a bad one is reported and doesn't stop the others.

    Images are decoded and harmonised in threads while earlier ones are embedded in batches; at
    most a few batches are in memory. Each reference is committed on its own. A picture that is
    another scan of a reference of the same signer is not enrolled, and the audit log says so.

    Args:
        resources: the vault's.
        items: the images; may be a generator.
        by: who enrolls.
        names: names of signers, to be shown to people.
        force: enroll an image also if another signer has it.
        progress: called with the number of images done, from this thread.

    Raises:
        GenerationMismatch: If the model at hand is not the active generation's.
        StorageFailed: If the disk is full or the database fails; references before it are kept.
        EnrollmentInterrupted: On Ctrl-C; references before it are kept.
    """
    settle_pending(resources.engine, resources.images, resources.pending)
    with read_session(resources.engine) as session:
        active = load_active(session)
    embedder = resources.embedder_for(active)
    run = _Run(resources, embedder, active.id, RepeatedScans(active), by, names or {}, force)
    try:
        with closing(_acquire_all(resources, items, recipe_of(embedder))) as acquired:
            while batch := list(islice(acquired, BATCH)):
                for result in run.settle_batch(batch):
                    run.results.append(result)
                    if progress is not None:
                        progress(len(run.results))
    except KeyboardInterrupt as error:
        raise EnrollmentInterrupted(EnrollmentReport(tuple(run.results))) from error
    except StorageFailed as error:
        done = EnrollmentReport(tuple(run.results))
        raise StorageFailed(f"{error}; {done.enrolled} references before it are kept") from error
    return EnrollmentReport(tuple(run.results))


class _Written(NamedTuple):
    """What one transaction did.

    The reference, whether it is new, the note to clear once it is committed, what to tell of
    another scan, and what came to the signer's gallery.
    """

    reference: ReferenceId
    outcome: EnrollmentOutcome
    note: str = ""
    message: str = ""
    added: tuple[SignerKey, Reference] | None = None


_Attempt = tuple[EnrollmentItem, Acquired | SigvaultError]
"""An image with what reading and harmonising it gave."""


def _acquire_all(
    resources: Resources, items: Iterable[EnrollmentItem], preprocessing: Recipe
) -> Generator[_Attempt, None, None]:
    """Read and harmonise images in a few threads, in order, at most two batches ahead."""

    def attempt(item: EnrollmentItem) -> _Attempt:
        try:
            data = read_source(item.source)
            with resources.decoding:
                return item, acquire(data, preprocessing, resources.limits)
        except ImageError as error:
            return item, error

    threads = min(_READERS, os.cpu_count() or 1)
    return read_ahead(attempt, items, threads=threads, most=2 * BATCH, name="sigvault-decode")


@dataclass
class _Run:
    """One call of `enroll`: what it works with, and its results so far."""

    resources: Resources
    embedder: Embedder
    generation: GenerationId
    scans: RepeatedScans
    by: str
    names: Mapping[SignerId, str]
    force: bool
    results: list[ItemResult] = field(default_factory=list)

    def settle_batch(self, attempts: list[_Attempt]) -> Iterator[ItemResult]:
        """Embed what is new in a batch, then settle one image after the other, in order."""
        embeddings = self._embed(attempts)
        self.scans.forget()
        for place, (item, got) in enumerate(attempts):
            try:
                result = self._enroll_one(item, got, embeddings.get(place))
            except (ImageError, FailureToEnroll, DuplicateAcrossSigners) as error:
                result = self._record_failure(item, got, error)
            yield result

    def _embed(self, attempts: list[_Attempt]) -> dict[int, Embedding]:
        """Embeddings by place, of those images that can serve and are not enrolled yet."""
        places, inks = [], []
        with read_session(self.resources.engine) as session:
            for place, (item, got) in enumerate(attempts):
                if isinstance(got, Acquired) and not got.severe:
                    others = holders(session, got.digest)
                    if _own(others, item.signer) is None and (self.force or not others):
                        places.append(place)
                        inks.append(got.prepared.ink)
        embeddings = self.embedder.embed(inks, as_references=True)
        return dict(zip(places, embeddings, strict=True))

    def _enroll_one(
        self, item: EnrollmentItem, got: Acquired | SigvaultError, embedding: Embedding | None
    ) -> ItemResult:
        if not isinstance(got, Acquired):
            raise got
        if got.severe:
            raise FailureToEnroll(describe(got.severe))
        try:
            with write_session(self.resources.engine) as session:
                written = self._write(session, item, got, embedding)
        except BaseException:
            self._discard()
            raise
        if written.added is not None:
            self.scans.add(*written.added)
        if written.note:
            self.resources.pending.clear(written.note)
        return ItemResult(
            item=item.label,
            signer=item.signer,
            outcome=written.outcome,
            reference=written.reference,
            digest=got.digest,
            findings=got.findings,
            message=written.message or describe(got.findings),
            repeated=bool(written.message),
        )

    def _write(
        self, session: Session, item: EnrollmentItem, got: Acquired, embedding: Embedding | None
    ) -> _Written:
        """Write the image and its rows; whether it may be is checked here, where it stays true."""
        others = holders(session, got.digest)
        own = _own(others, item.signer)
        if own is not None:
            return _Written(own.reference, EnrollmentOutcome.ALREADY)
        if others and not self.force:
            raise DuplicateAcrossSigners(
                f"the same image is enrolled under signer {others[0].signer}: check whose "
                "signature it is, or force it"
            )
        if active_generation(session).id != self.generation:
            raise GenerationMismatch("another generation became active meanwhile: enroll again")
        if embedding is None:  # its twin was erased since the batch was embedded
            (embedding,) = self.embedder.embed([got.prepared.ink], as_references=True)
        known = find_signer(session, item.signer)
        repeated = None if known is None else self.scans.find(session, known.key, embedding)
        if known is not None and repeated is not None:
            return self._refuse_repeated(session, known, item, got, repeated)
        at = self.resources.clock()
        signer = self._signer(session, item)
        note = self.resources.pending.note(got.digest)
        self.resources.images.write(got.data)
        reference = add_reference(
            session,
            signer.key,
            image_digest=got.digest,
            image_bytes=len(got.data),
            findings=got.findings,
            at=at,
            by=self.by,
        )
        add_embeddings(session, self.generation, [(reference.id, embedding)])
        details = self._details(item, got) | {"forced": bool(others)}
        append(session, ReferenceEnrolled(signer.key, reference.id, self.generation, details), at)
        added = signer.key, Reference(reference.id, embedding)
        return _Written(reference.id, EnrollmentOutcome.ENROLLED, note, added=added)

    def _refuse_repeated(
        self,
        session: Session,
        signer: SignerRow,
        item: EnrollmentItem,
        got: Acquired,
        repeated: RepeatedScan,
    ) -> _Written:
        """Leave another scan out, and record what that rests on."""
        details = self._details(item, got) | {
            "reference": repeated.reference,
            "local": repeated.local,
            "limit": repeated.limit,
        }
        append(
            session, EnrollmentFailed(signer.key, REPEATED_SCAN, details), self.resources.clock()
        )
        return _Written(repeated.reference, EnrollmentOutcome.ALREADY, message=repeated.describe())

    def _signer(self, session: Session, item: EnrollmentItem) -> SignerRow:
        """The item's signer, added if new, under the name given."""
        name = self.names.get(item.signer)
        signer = find_signer(session, item.signer)
        if signer is None:
            return add_signer(session, item.signer, name or "", self.resources.clock())
        if name:
            signer.name = name
        return signer

    def _discard(self) -> None:
        """Remove the image of a transaction that failed; if that fails too, it is done later."""
        resources = self.resources
        try:
            settle_pending(resources.engine, resources.images, resources.pending)
        except SigvaultError:
            return

    def _record_failure(
        self, item: EnrollmentItem, got: Acquired | SigvaultError, error: SigvaultError
    ) -> ItemResult:
        """Append the failure to the audit log, and say what happened.

        What is personal is kept with a known signer alone, so that it can be erased.
        """
        name = type(error).__name__
        with write_session(self.resources.engine) as session:
            signer = find_signer(session, item.signer)
            key = None if signer is None else signer.key
            details = {} if signer is None else self._details(item, got)
            append(session, EnrollmentFailed(key, name, details), self.resources.clock())
        return ItemResult(
            item=item.label,
            signer=item.signer,
            outcome=EnrollmentOutcome.FAILED,
            digest=got.digest if isinstance(got, Acquired) else None,
            findings=got.findings if isinstance(got, Acquired) else (),
            error=name,
            message=str(error),
        )

    def _details(self, item: EnrollmentItem, got: Acquired | SigvaultError) -> dict[str, object]:
        """The personal part of an event."""
        details: dict[str, object] = {"signer": item.signer, "by": self.by}
        if isinstance(got, Acquired):
            findings = [finding_to_dict(finding) for finding in got.findings]
            details |= {"image": got.digest, "findings": findings}
        return details


def _own(held: list[Holder], signer: SignerId) -> Holder | None:
    return next((holder for holder in held if holder.signer == signer), None)
