"""The vault: every use case, wired. `bootstrap` makes one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sigvault.domain.access import ApiKey, IssuedKey, Role, prefix_of
from sigvault.domain.aims import CALIBRATED_REFERENCES, DEFAULT_FPIR, Aim
from sigvault.domain.audit import AuditRecord
from sigvault.domain.comparison import Score, Threshold
from sigvault.domain.diagnosis import Finding
from sigvault.domain.erasure_ledger import ErasureLedger
from sigvault.domain.errors import SigvaultError
from sigvault.domain.identifiers import EventNumber, GenerationId, ReferenceId, SignerId
from sigvault.domain.model_card import ModelCard
from sigvault.domain.ports import Embedder
from sigvault.domain.reviewing import ReviewCase, ReviewVerdict
from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict
from sigvault.services import (
    access,
    answers,
    auditing,
    backing_up,
    cleaning,
    consistency,
    enrollment,
    erasure,
    erasure_ledger,
    examination,
    generations,
    identification,
    kept_probes,
    pictures,
    readiness,
    reference_erasure,
    reviews,
    signers,
    status,
    threshold_history,
    verification,
)
from sigvault.services.answers import RequestName
from sigvault.services.auditing import AuditCheck, Replay
from sigvault.services.backing_up import Backup
from sigvault.services.consistency import Consistency, ReferenceConsistency
from sigvault.services.enrollment import (
    EnrollmentInterrupted,
    EnrollmentItem,
    EnrollmentOutcome,
    EnrollmentReport,
    ItemResult,
)
from sigvault.services.erasure import Erasure
from sigvault.services.erasure_ledger import RepeatedErasures
from sigvault.services.gallery_index import GalleryIndex
from sigvault.services.generations import Activation, GenerationSummary
from sigvault.services.identification import Identification
from sigvault.services.pictures import SignaturePicture
from sigvault.services.readiness import Readiness
from sigvault.services.reference_erasure import ReferenceErasure
from sigvault.services.resources import Resources, load_active
from sigvault.services.signers import ReferenceSummary, SignerDetail, SignerSummary
from sigvault.services.status import VaultStatus
from sigvault.services.threshold_history import PastCalibration, Restoration
from sigvault.services.verification import Verification
from sigvault.storage.engine import read_session
from sigvault.storage.generations import list_cards
from sigvault.storage.job_lock import job_lock

if TYPE_CHECKING:
    from sigvault.datasets import Dataset
    from sigvault.evaluation.calibration import Aims
    from sigvault.evaluation.generation_changes import Margins
    from sigvault.evaluation.generation_comparison import GenerationComparison
    from sigvault.services.calibration import CalibrationReport
    from sigvault.services.reindexing import Reindexing, ReindexPlan

_log = logging.getLogger(__name__)

JOB_LOCK = "generations.lock"
"""The file whose lock is held by whoever makes, activates or removes a generation."""

__all__ = [
    "Activation",
    "ApiKey",
    "AuditCheck",
    "Backup",
    "Consistency",
    "EnrollmentInterrupted",
    "EnrollmentItem",
    "EnrollmentOutcome",
    "EnrollmentReport",
    "Erasure",
    "ErasureLedger",
    "GenerationSummary",
    "Identification",
    "IssuedKey",
    "ItemResult",
    "KeepProbes",
    "PastCalibration",
    "Readiness",
    "ReferenceConsistency",
    "ReferenceErasure",
    "ReferenceSummary",
    "RepeatedErasures",
    "Replay",
    "RequestName",
    "Restoration",
    "ReviewCase",
    "ReviewState",
    "ReviewVerdict",
    "Role",
    "SignaturePicture",
    "SignerDetail",
    "SignerSummary",
    "Vault",
    "VaultStatus",
    "Verdict",
    "Verification",
]


class Vault:
    """Enrolled signers, and what can be asked of them.

    Safe for threads; a context manager that closes itself. The use cases are described, with
    the errors that they raise, in the functions of `sigvault.services` that they call.
    """

    def __init__(
        self, resources: Resources, index: GalleryIndex[Any], *, location: Path, by: str
    ) -> None:
        """Take what `bootstrap` made.

        Args:
            resources: database, images and embedder.
            index: over all galleries.
            location: the vault's folder.
            by: who works with it, for the audit log.
        """
        self._resources = resources
        self._index = index
        self._location = location
        self._by = by

    @property
    def embedder(self) -> Embedder:
        """The embedder of the active generation's model."""
        with read_session(self._resources.engine) as session:
            active = load_active(session)
        return self._resources.embedder_for(active)

    def enroll(
        self,
        items: Iterable[EnrollmentItem],
        *,
        names: Mapping[SignerId, str] | None = None,
        by: str | None = None,
        force: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> EnrollmentReport:
        """Enroll references, one or many; see `enrollment.enroll`."""
        return enrollment.enroll(
            self._resources,
            items,
            by=by or self._by,
            names=names,
            force=force,
            progress=progress,
        )

    def verify(
        self,
        signer: SignerId,
        probe: Path | bytes,
        *,
        by: str | None = None,
        aim: Aim | None = None,
        keep_probe: KeepProbes | None = None,
    ) -> Verification:
        """Verify a probe against a signer's gallery; see `verification.verify`."""
        return verification.verify(
            self._resources, signer, probe, by=by or self._by, aim=aim, keep=keep_probe
        )

    def identify(
        self,
        probe: Path | bytes,
        *,
        top: int = 5,
        fpir: float = DEFAULT_FPIR,
        by: str | None = None,
        namespace: str = "",
    ) -> Identification:
        """Look for the signers most like a probe; see `identification.identify`."""
        return identification.identify(
            self._resources,
            self._index,
            probe,
            top=top,
            fpir=fpir,
            by=by or self._by,
            prefix=prefix_of(namespace),
        )

    def probe_image(self, event: EventNumber) -> bytes:
        """The bytes of a verification's probe; see `kept_probes.read_probe`."""
        return kept_probes.read_probe(self._resources, event)

    def forget_probes(self, older_than: timedelta, *, by: str | None = None) -> int:
        """Remove probes kept for longer than this; see `kept_probes.forget_probes`."""
        return kept_probes.forget_probes(self._resources, older_than, by=by or self._by)

    def reviews(
        self,
        *,
        state: ReviewState | None = ReviewState.OPEN,
        signer: SignerId | None = None,
        after: int = 0,
        limit: int = 50,
        namespace: str = "",
    ) -> tuple[ReviewCase, ...]:
        """Cases for people, oldest first; see `reviews.list_cases`."""
        query = reviews.ReviewQuery(state, signer, prefix_of(namespace), after, limit)
        return reviews.list_cases(self._resources, query)

    def count_reviews(
        self, *, state: ReviewState | None = ReviewState.OPEN, namespace: str = ""
    ) -> int:
        """How many cases are in a state; how many there are at all if None."""
        return reviews.count_cases(self._resources, state, prefix_of(namespace))

    def review(self, event: EventNumber) -> ReviewCase:
        """The case of a verification; see `reviews.read_case`."""
        return reviews.read_case(self._resources, event)

    def decide_review(
        self,
        event: EventNumber,
        verdict: Verdict,
        *,
        reason: str,
        by: str | None = None,
        blind: bool = False,
    ) -> AuditRecord:
        """Record a person's verdict on a verification; see `reviews.decide`."""
        return reviews.decide(
            self._resources, event, verdict, reason=reason, by=by or self._by, blind=blind
        )

    def create_key(
        self,
        name: str,
        roles: frozenset[Role],
        *,
        namespace: str = "",
        expires: timedelta | None = None,
        by: str | None = None,
    ) -> IssuedKey:
        """Issue a key for the service; see `access.create_key`."""
        return access.create_key(
            self._resources, name, roles, namespace=namespace, expires=expires, by=by or self._by
        )

    def keys(self) -> tuple[ApiKey, ...]:
        """All keys, oldest first, with those that are refused."""
        return access.list_keys(self._resources)

    def revoke_key(self, key: str, *, by: str | None = None) -> ApiKey:
        """Refuse a key from now on; see `access.revoke_key`."""
        return access.revoke_key(self._resources, key, by=by or self._by)

    def authenticate(self, secret: str) -> ApiKey:
        """The key that a secret belongs to; see `access.authenticate`."""
        return access.authenticate(self._resources, secret)

    def find_answer(self, request: RequestName) -> str | None:
        """What was answered to the same request before; see `answers.find_answer`."""
        return answers.find_answer(self._resources, request)

    def keep_answer(self, request: RequestName, answer: str, signers: Iterable[SignerId]) -> None:
        """Remember an answer for a day; see `answers.keep_answer`."""
        answers.keep_answer(self._resources, request, answer, signers)

    def reindex(
        self,
        model: Path | Embedder,
        plan: ReindexPlan | None = None,
        *,
        threads: int | None = None,
        by: str | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Reindexing:
        """Move the vault to another model; see `reindexing.reindex`.

        Args:
            model: the model's folder, which is kept with the vault, or an embedder.
            plan: how; the defaults if None.
            threads: how many threads embed, where a folder is given.
            by: who does it.
            progress: told what is done, how much of it, and of how much.

        Raises:
            VaultBusy: If another process re-indexes it.
        """
        from sigvault.services import reindexing  # noqa: PLC0415 - SciPy takes long to import

        with self._one_at_a_time("a re-index"):
            embedder = (
                self._resources.models.keep(model, threads=threads)
                if isinstance(model, Path)
                else model
            )
            return reindexing.reindex(
                self._resources, embedder, plan, by=by or self._by, progress=progress
            )

    def generations(self) -> tuple[GenerationSummary, ...]:
        """All generations, oldest first."""
        return generations.summarise(self._resources)

    def generation(self, generation: GenerationId) -> GenerationSummary:
        """A generation at a glance; see `generations.summarise_one`."""
        return generations.summarise_one(self._resources, generation)

    def activation(self, generation: GenerationId) -> AuditRecord | None:
        """When a generation last began to decide, and who let it; None if it never did."""
        return generations.read_activation(self._resources, generation)

    def compare_generation(
        self,
        generation: GenerationId,
        *,
        margins: Margins | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> GenerationComparison:
        """Compare a generation with the active one; see `reindexing.compare_galleries`.

        Raises:
            UnknownGeneration: If there is none.
        """
        from sigvault.services import reindexing  # noqa: PLC0415

        with read_session(self._resources.engine) as session:
            active = load_active(session)
        other = generations.read_generation(self._resources, generation)
        return reindexing.compare_galleries(
            self._resources, active, other, margins=margins, progress=progress
        )

    def activate(
        self,
        generation: GenerationId,
        *,
        margins: Margins | None = None,
        fresh: Dataset | None = None,
        force: bool = False,
        by: str | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Activation:
        """Let a generation decide if it is fit; see `reindexing.activate_compared`.

        Raises:
            VaultBusy: If the vault is re-indexed at this moment.
        """
        from sigvault.services import reindexing  # noqa: PLC0415

        with self._one_at_a_time("an activation"):
            return reindexing.activate_compared(
                self._resources,
                generation,
                by=by or self._by,
                margins=margins,
                fresh=fresh,
                force=force,
                progress=progress,
            )

    def roll_back(
        self,
        *,
        by: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Activation:
        """Go back to the generation that decided before; see `generations.roll_back`.

        Raises:
            VaultBusy: If the vault is re-indexed at this moment.
        """
        with self._one_at_a_time("a rollback"):
            return generations.roll_back(self._resources, by=by or self._by, progress=progress)

    def drop(self, generation: GenerationId, *, by: str | None = None) -> None:
        """Remove a generation that doesn't decide; see `generations.drop`.

        Raises:
            VaultBusy: If the vault is re-indexed at this moment.
        """
        with self._one_at_a_time("a removal of a generation"):
            generations.drop(self._resources, self._index, generation, by=by or self._by)

    def _one_at_a_time(self, job: str) -> AbstractContextManager[None]:
        return job_lock(self._location / JOB_LOCK, job)

    def erase(self, signer: SignerId, *, by: str | None = None) -> Erasure:
        """Erase a signer for good; see `erasure.erase`."""
        return erasure.erase(self._resources, self._index, signer, by=by or self._by)

    def erase_reference(
        self, signer: SignerId, reference: ReferenceId, *, reason: str, by: str | None = None
    ) -> ReferenceErasure:
        """Erase one reference for good; see `reference_erasure.erase_reference`."""
        return reference_erasure.erase_reference(
            self._resources, self._index, signer, reference, reason=reason, by=by or self._by
        )

    def calibrate(
        self,
        dataset: Dataset,
        *,
        references: tuple[int, ...] = CALIBRATED_REFERENCES,
        draws: int = 10,
        seed: int = 0,
        aims: Aims | None = None,
        force: bool = False,
        preview: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> CalibrationReport:
        """Make new thresholds; see `calibration.calibrate_vault`."""
        # scikit-learn takes longer to import than a verification takes.
        from sigvault.evaluation.calibration import Aims  # noqa: PLC0415
        from sigvault.services import calibration  # noqa: PLC0415

        plan = calibration.CalibrationPlan(
            references, draws, seed, aims or Aims(), force, require_aims=aims is not None
        )
        return calibration.calibrate_vault(
            self._resources, dataset, plan, preview=preview, progress=progress
        )

    def signers(
        self, *, after: SignerId | None = None, limit: int | None = None, namespace: str = ""
    ) -> tuple[SignerSummary, ...]:
        """The enrolled signers, by identifier; see `signers.list_signers`."""
        prefix = prefix_of(namespace)
        return signers.list_signers(self._resources, after=after, limit=limit, prefix=prefix)

    def search_signers(
        self, text: str, *, limit: int, namespace: str = ""
    ) -> tuple[SignerSummary, ...]:
        """Signers whose identifier or name holds a text; see `signers.search_signers`."""
        prefix = prefix_of(namespace)
        return signers.search_signers(self._resources, text, limit=limit, prefix=prefix)

    def signer(self, signer: SignerId) -> SignerDetail:
        """A signer with the references; see `signers.show_signer`."""
        return signers.show_signer(self._resources, signer)

    def reference_image(self, reference: ReferenceId) -> bytes:
        """The enrolled bytes of a reference; see `signers.read_reference_image`."""
        return signers.read_reference_image(self._resources, reference)

    def reference_picture(self, reference: ReferenceId) -> SignaturePicture:
        """A reference, decoded and harmonised; see `pictures.read_reference_picture`."""
        return pictures.read_reference_picture(self._resources, reference)

    def picture(self, data: bytes, score: Score | None = None) -> SignaturePicture:
        """Bytes, decoded and harmonised; see `pictures.read_picture`."""
        return pictures.read_picture(self._resources, data, score)

    def consistency(self, signer: SignerId) -> Consistency:
        """How well a signer's references go together; see `consistency.measure_consistency`."""
        return consistency.measure_consistency(self._resources, signer)

    def thresholds(self) -> tuple[Threshold, ...]:
        """The active generation's thresholds by number of references; none if not calibrated."""
        with read_session(self._resources.engine) as session:
            return load_active(session).thresholds

    def calibrations(self) -> tuple[PastCalibration, ...]:
        """Those of the active generation, latest first; see `threshold_history`."""
        return threshold_history.list_calibrations(self._resources)

    def restore_thresholds(self, event: EventNumber) -> Restoration:
        """Go back to an earlier calibration; see `threshold_history.restore_thresholds`."""
        return threshold_history.restore_thresholds(self._resources, event)

    def models(self) -> tuple[ModelCard, ...]:
        """The cards of all models that the vault ever used, oldest first."""
        with read_session(self._resources.engine) as session:
            return tuple(list_cards(session))

    def status(self) -> VaultStatus:
        """The vault at a glance."""
        return status.read_status(self._resources, self._location)

    def examine(
        self,
        *,
        deep: bool = False,
        repair: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Finding]:
        """Look for what is wrong with it; see `examination.examine`."""
        return examination.examine(
            self._resources,
            self._index,
            self._location,
            deep=deep,
            repair=repair,
            progress=progress,
        )

    def audit_log(
        self, *, after: int = 0, limit: int | None = None, signer: SignerId | None = None
    ) -> tuple[AuditRecord, ...]:
        """Events of the audit log, in order; see `auditing.read_log`."""
        return auditing.read_log(self._resources, after=after, limit=limit, signer=signer)

    def latest_events(
        self, *, limit: int, signer: SignerId | None = None, skip: int = 0
    ) -> tuple[AuditRecord, ...]:
        """The latest events of the audit log, newest first; see `auditing.read_latest_events`."""
        return auditing.read_latest_events(self._resources, limit=limit, signer=signer, skip=skip)

    def audit_size(self, signer: SignerId | None = None) -> int:
        """How many events the audit log holds, or how many of them concern a signer."""
        return auditing.count(self._resources, signer)

    def audit_check(self) -> AuditCheck:
        """Check that the vault is what its audit log says; see `auditing.check`."""
        return auditing.check(self._resources)

    def replay(self, event: EventNumber) -> Replay:
        """Decide a recorded verification once more; see `auditing.replay`."""
        return auditing.replay(self._resources, event)

    def export_erasures(self, target: Path) -> ErasureLedger:
        """Write down what was erased and revoked; see `erasure_ledger.export_erasures`."""
        return erasure_ledger.export_erasures(self._resources, target)

    def repeat_erasures(self, source: Path, *, by: str | None = None) -> RepeatedErasures:
        """Erase again who is erased in a ledger; see `erasure_ledger.repeat_erasures`."""
        return erasure_ledger.repeat_erasures(
            self._resources, self._index, source, by=by or self._by
        )

    def back_up(
        self,
        target: Path,
        *,
        by: str | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Backup:
        """Copy all that the vault needs while it goes on; see `backing_up.back_up`."""
        return backing_up.back_up(
            self._resources, self._location, target, by=by or self._by, progress=progress
        )

    def readiness(self) -> Readiness:
        """What it decides by at this moment; see `readiness.read_readiness`."""
        return readiness.read_readiness(self._resources, self._index)

    def warm_up(self) -> None:
        """Load the model and open the index; see `readiness.warm_up`."""
        readiness.warm_up(self._resources, self._index)

    def close(self) -> None:
        """Let go of the database and the files; the vault can't be used any more."""
        try:
            self._index.keep()
            self._clean_log()
        finally:
            self._resources.engine.dispose()

    def _clean_log(self) -> None:
        try:
            cleaning.clean_log(self._resources.engine, seconds=0)
        except SigvaultError as error:  # the database may be gone
            _log.warning("the log is left to the next opening: %s", error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
