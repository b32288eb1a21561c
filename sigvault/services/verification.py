"""Verifying a probe against the claimed signer's gallery (1:1); the index is never searched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from sigvault.domain.aims import Aim
from sigvault.domain.audit import AcquisitionFailed, Verified, Written
from sigvault.domain.comparison import (
    Decision,
    Evidence,
    Score,
    Threshold,
    select_threshold,
)
from sigvault.domain.copies import find_alarm
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import FailureToAcquire, ImageError, NotCalibrated, UnknownSigner
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import EventNumber, SignerId, SignerKey
from sigvault.domain.image import InkImage, QualityFinding
from sigvault.domain.ports import Embedder
from sigvault.domain.serialisation import evidence_to_json, finding_to_dict
from sigvault.domain.turned_probe import find_turned
from sigvault.domain.verdicts import KeepProbes
from sigvault.imaging.preprocessing import PreparedSignature
from sigvault.imaging.turning import as_compared
from sigvault.services.acquisition import Acquired, acquire, describe, read_source
from sigvault.services.closer_look import look_closer, suspect_copy
from sigvault.services.comparing import Claimed
from sigvault.services.kept_probes import keeping
from sigvault.services.resources import Resources, load_active, recipe_of
from sigvault.services.straightening import straighten, suspect_turn
from sigvault.storage.audit_log import append, append_directly, read_end
from sigvault.storage.claims import Claim, HeldGallery, find_claim, is_enrolled
from sigvault.storage.driver import DriverTransaction, read_directly, write_directly
from sigvault.storage.embeddings import load_gallery
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.reviews import open_review_directly
from sigvault.storage.signers import find_signer, get_signer


@dataclass(frozen=True, eq=False)
class Verification:
    """The answer, and all that it rests on.

    Attributes:
        evidence: decision, scores, threshold and findings.
        event: where the audit log records it.
        probe: the harmonised probe as it was compared, for a report.
    """

    evidence: Evidence
    event: EventNumber
    probe: PreparedSignature


def verify(
    resources: Resources,
    signer: SignerId,
    probe: Path | bytes,
    *,
    by: str,
    aim: Aim | None = None,
    keep: KeepProbes | None = None,
) -> Verification:
    """Compare a probe with the claimed signer's gallery, decide, and record it.

    Where a reference is erased meanwhile, it is decided anew, with those that are left.

    Args:
        resources: the vault's.
        signer: who is claimed to have signed.
        probe: a file, or the bytes of one.
        by: who asks.
        aim: the error rate to decide at, instead of the threshold's own accept point.
        keep: whether the probe's bytes are kept for people to look at; as the vault's rules say
            if None.

    Raises:
        UnknownSigner: If there is no such signer, or the signer was erased meanwhile.
        EmptyGallery: If the signer has no references.
        NotCalibrated: If there is no threshold for so many references.
        UnsupportedAim: If the calibration data can't support the aim.
        GenerationMismatch: If the model at hand is not the active generation's.
        ImageError: If the probe is no usable picture; it is recorded.
        FailureToAcquire: If it can't serve as a signature; it is recorded.
    """
    while True:
        verification = _verify_once(resources, signer, probe, by=by, aim=aim, keep=keep)
        if verification is not None:
            return verification


def _verify_once(
    resources: Resources,
    signer: SignerId,
    probe: Path | bytes,
    *,
    by: str,
    aim: Aim | None,
    keep: KeepProbes | None,
) -> Verification | None:
    """Decide once; None where a reference that it rests on was erased meanwhile."""
    with resources.timed("read"):
        claim = read_claim(resources.engine, signer)
    gallery, active = claim.gallery, claim.generation
    threshold = require_threshold(active, len(gallery.references))
    if aim is not None:
        threshold = threshold.at(aim)
    embedder = resources.embedder_for(active)
    acquired = acquire_probe(resources, embedder, probe, signer=(signer, claim.key), by=by)
    with resources.timed("embed"):
        (embedding,) = embedder.embed([acquired.prepared.ink])
    claimed = Claimed(gallery, threshold)
    score = _compare(resources, embedder, acquired.prepared.ink, embedding, claimed)
    evidence = weigh(score, acquired, gallery.signer, threshold, active)
    asked = evidence.decision is Decision.REVIEW
    keeps = (keep or resources.rules.keep_probes).keeps(asked=asked)
    with resources.timed("record"):
        event = _record(resources, claim, evidence, by, acquired.data if keeps else None)
    if event is None:
        return None
    return Verification(evidence, event, as_compared(acquired.prepared, evidence.score))


def _compare(
    resources: Resources, embedder: Embedder, ink: InkImage, embedding: Embedding, claimed: Claimed
) -> Score:
    """Compare, once more where the probe lies turned, and look closer where it may be a copy."""
    with resources.timed("compare"):
        compared = claimed.compare(ink, embedding)
        askew = suspect_turn(embedder, compared, claimed)
        copied = None if askew is not None else suspect_copy(compared, claimed)
    if askew is not None:
        with resources.timed("straighten"):
            compared = straighten(embedder, compared, claimed.gallery, askew)
            copied = suspect_copy(compared, claimed)
    if copied is None:
        return compared.score
    with resources.timed("look"):
        return look_closer(embedder, compared, claimed, copied)


def read_claim(engine: Engine, signer: SignerId) -> Claim:
    """The claimed signer's gallery with the generation that decides, at one point in time.

    Raises:
        UnknownSigner: If there is no such signer.
        EmptyGallery: If the signer has no references.
        VaultDamaged: If no generation decides, or something can't be read.
    """
    with read_directly(engine) as transaction:
        claim = find_claim(transaction, signer)
    return claim or read_claim_slowly(engine, signer)


def read_claim_slowly(engine: Engine, signer: SignerId) -> Claim:
    """The same through the mapper, which says what is missing; see `read_claim`."""
    with read_session(engine) as session:
        active = load_active(session)
        key = get_signer(session, signer).key
        return Claim(HeldGallery(key, load_gallery(session, key, active.id)), active)


def weigh(
    score: Score,
    acquired: Acquired,
    signer: SignerId,
    threshold: Threshold,
    active: BoundGeneration,
) -> Evidence:
    """Decide on a score, and put the evidence together; a pure function."""
    told = (*find_alarm(threshold, score), *find_turned(score))
    return Evidence(
        signer=signer,
        probe_digest=acquired.digest,
        decision=threshold.judge(score),
        score=score,
        llr=threshold.likelihood_ratio.llr(score.value),
        threshold=threshold.without_points,
        findings=(*told, *acquired.findings),
        model=active.model,
        preprocessing=active.preprocessing,
        generation=active.id,
    )


def require_threshold(active: BoundGeneration, references: int) -> Threshold:
    """The threshold for a number of references.

    Raises:
        NotCalibrated: If there is none for so few.
    """
    active.require_thresholds()
    threshold = select_threshold(active.thresholds, references)
    if threshold is None:
        fewest = min(each.references for each in active.thresholds)
        raise NotCalibrated(
            f"there is no threshold for {references} references, the fewest is for {fewest}: "
            f"enroll more, or run `sigvault calibrate` with --references {references}"
        )
    return threshold


def acquire_probe(
    resources: Resources,
    embedder: Embedder,
    probe: Path | bytes,
    *,
    signer: tuple[SignerId, SignerKey] | None,
    by: str,
) -> Acquired:
    """Read and harmonise a probe; one that can't serve is recorded before the error is raised.

    Args:
        resources: the vault's.
        embedder: whose preprocessing harmonises it.
        probe: a file, or the bytes of one.
        signer: the claimed signer, if there is one.
        by: who asks.

    Raises:
        ImageError: If the probe is no usable picture.
        FailureToAcquire: If it can't serve as a signature; the message holds all findings.
    """
    try:
        data = read_source(probe)
        with resources.decoding, resources.timed("prepare"):
            acquired = acquire(data, recipe_of(embedder), resources.limits)
    except ImageError as error:
        _record_failure(resources, error, (), signer, by)
        raise
    if acquired.severe:
        failure = FailureToAcquire(describe(acquired.severe))
        _record_failure(resources, failure, acquired.findings, signer, by)
        raise failure
    return acquired


def _record_failure(
    resources: Resources,
    error: Exception,
    findings: tuple[QualityFinding, ...],
    signer: tuple[SignerId, SignerKey] | None,
    by: str,
) -> None:
    """Append the failure; what is personal is kept with a known signer alone."""
    content: dict[str, object] = {
        "by": by,
        "findings": [finding_to_dict(finding) for finding in findings],
    }
    with write_session(resources.engine) as session:
        key = None
        if signer is not None:
            found = find_signer(session, signer[0])
            key = None if found is None else found.key
            content |= {} if found is None else {"signer": signer[0]}
        event = AcquisitionFailed(key, type(error).__name__, content)
        append(session, event, resources.clock())


def _record(
    resources: Resources, claim: Claim, evidence: Evidence, by: str, probe: bytes | None = None
) -> EventNumber | None:
    """Append the verification, unless the signer was erased while it was under way.

    Nothing is recorded, and None comes back, where one of the references was. People are asked if
    they are to look, and the probe's bytes are kept if there are any; so is the gallery's spread.
    """
    key = claim.key
    event = Verified(
        signer=key,
        decision=evidence.decision,
        score=evidence.score.value,
        llr=evidence.llr,
        generation=evidence.generation,
        model=evidence.model,
        evidence={"by": by, "evidence": Written(evidence_to_json(evidence))},
    )
    with keeping(resources, probe) as keeper, write_directly(resources.engine) as transaction:
        end = read_end(transaction)
        if not (claim.nothing_erased(end) or _still_holds(transaction, claim)):
            return None
        number = append_directly(transaction, event, resources.clock(), end)
        if evidence.decision is Decision.REVIEW:
            open_review_directly(transaction, number, key)
        claim.held.keep_spread(transaction)
        keeper.keep(transaction, number, key)
    return number


def _still_holds(transaction: DriverTransaction, claim: Claim) -> bool:
    """Whether none of the references that were decided on was erased.

    Raises:
        UnknownSigner: If their signer was.
    """
    signer = claim.gallery.signer
    if not is_enrolled(transaction, signer, claim.key):
        raise UnknownSigner(f"signer {signer} was erased while the probe was being verified")
    return claim.held.is_whole(transaction)
