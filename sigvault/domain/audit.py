"""What the audit log records: one frozen class per kind of event.

Each event has a public part, which the hash chain covers directly, and a personal part, of
which the chain covers a salted digest alone: erasing a signer removes the personal part, erasing
a reference that of its enrollment, and the chain stays whole. Signers appear in public parts by
their random key only.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from sigvault.domain.access import ApiKey
from sigvault.domain.comparison import Decision
from sigvault.domain.identifiers import EventNumber, GenerationId, ModelId, ReferenceId, SignerKey
from sigvault.domain.verdicts import Verdict

FIRST_HASH = "0" * 64
"""What stands for the hash of the event before the first."""


class AuditEvent(Protocol):
    """What every kind of event offers."""

    kind: ClassVar[str]

    def public(self) -> dict[str, Any]:
        """The part that stays for ever, JSON-ready, without personal content."""

    def personal(self) -> dict[str, Any]:
        """The part that is removed with the signer, JSON-ready; may be empty.

        Values may be `Written`.
        """

    def subject(self) -> SignerKey | None:
        """The signer with whom the personal part is removed, or None."""


@dataclass(frozen=True)
class _Public:
    """An event without personal content and without a signer."""

    def personal(self) -> dict[str, Any]:
        return {}

    def subject(self) -> SignerKey | None:
        return None


@dataclass(frozen=True)
class VaultCreated(_Public):
    """The vault was set up."""

    kind: ClassVar[str] = "vault-created"
    version: str

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {"version": self.version}


@dataclass(frozen=True)
class ReindexStarted(_Public):
    """A generation was begun: all references are to be embedded by another model."""

    kind: ClassVar[str] = "reindex-started"
    generation: GenerationId
    model: ModelId
    preprocessing: str
    by: str = ""

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {
            "generation": self.generation,
            "model": self.model,
            "preprocessing": self.preprocessing,
        }

    def personal(self) -> dict[str, Any]:
        """By whom; it stays, since it is about no signer."""
        return {"by": self.by} if self.by else {}


@dataclass(frozen=True)
class GenerationActivated(_Public):
    """A generation became the one that decides.

    Attributes:
        generation: its number.
        model: its model.
        preprocessing: its preprocessing.
        before: the one that decided until then; None for a vault's first.
        rolled_back: whether it had decided before, and was gone back to.
        forced: why it should not have been activated, and was all the same; empty where nothing
            spoke against it.
        gate: the figures of the comparison with the one before, without anybody's name.
        by: who activated it.
    """

    kind: ClassVar[str] = "generation-activated"
    generation: GenerationId
    model: ModelId
    preprocessing: str
    before: GenerationId | None = None
    rolled_back: bool = False
    forced: tuple[str, ...] = ()
    gate: dict[str, Any] | None = None
    by: str = ""

    def public(self) -> dict[str, Any]:
        """See AuditEvent; what doesn't apply is left out."""
        contents: dict[str, Any] = {
            "generation": self.generation,
            "model": self.model,
            "preprocessing": self.preprocessing,
        }
        if self.before is not None:
            contents["before"] = self.before
        if self.rolled_back:
            contents["rolled_back"] = True
        if self.forced:
            contents["forced"] = list(self.forced)
        if self.gate is not None:
            contents["gate"] = self.gate
        return contents

    def personal(self) -> dict[str, Any]:
        """By whom; it stays, since it is about no signer."""
        return {"by": self.by} if self.by else {}


@dataclass(frozen=True)
class GenerationDropped(_Public):
    """A generation was removed with its vectors and thresholds."""

    kind: ClassVar[str] = "generation-dropped"
    generation: GenerationId
    model: ModelId
    by: str = ""

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {"generation": self.generation, "model": self.model}

    def personal(self) -> dict[str, Any]:
        """By whom; it stays, since it is about no signer."""
        return {"by": self.by} if self.by else {}


@dataclass(frozen=True)
class Calibrated(_Public):
    """Thresholds were made for a generation, or those of an earlier event put back."""

    kind: ClassVar[str] = "calibrated"
    generation: GenerationId
    thresholds: tuple[dict[str, Any], ...]
    restored: EventNumber | None = None

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        content = {"generation": self.generation, "thresholds": list(self.thresholds)}
        return content if self.restored is None else content | {"restored": self.restored}


@dataclass(frozen=True)
class ReferenceEnrolled:
    """A reference was enrolled."""

    kind: ClassVar[str] = "reference-enrolled"
    signer: SignerKey
    reference: ReferenceId
    generation: GenerationId
    details: dict[str, Any]

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {
            "signer": self.signer,
            "reference": self.reference,
            "generation": self.generation,
        }

    def personal(self) -> dict[str, Any]:
        """The signer's outside identifier, image digest, findings, by whom."""
        return self.details

    def subject(self) -> SignerKey | None:
        """See AuditEvent."""
        return self.signer


@dataclass(frozen=True)
class EnrollmentFailed:
    """An image could not serve as a reference."""

    kind: ClassVar[str] = "enrollment-failed"
    signer: SignerKey | None
    error: str
    details: dict[str, Any]

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {"signer": self.signer, "error": self.error}

    def personal(self) -> dict[str, Any]:
        """The signer's outside identifier, image digest, findings."""
        return self.details

    def subject(self) -> SignerKey | None:
        """See AuditEvent."""
        return self.signer


@dataclass(frozen=True)
class Verified:
    """A probe was compared with a claimed signer's gallery."""

    kind: ClassVar[str] = "verified"
    signer: SignerKey
    decision: Decision
    score: float
    llr: float
    generation: GenerationId
    model: ModelId
    evidence: dict[str, Any]

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {
            "signer": self.signer,
            "decision": self.decision.value,
            "score": self.score,
            "llr": self.llr,
            "generation": self.generation,
            "model": self.model,
        }

    def personal(self) -> dict[str, Any]:
        """The whole evidence, with the signer's outside identifier and the probe's digest."""
        return self.evidence

    def subject(self) -> SignerKey | None:
        """See AuditEvent."""
        return self.signer


@dataclass(frozen=True)
class AcquisitionFailed:
    """A probe could not serve."""

    kind: ClassVar[str] = "acquisition-failed"
    signer: SignerKey | None
    error: str
    details: dict[str, Any]

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {"signer": self.signer, "error": self.error}

    def personal(self) -> dict[str, Any]:
        """The claimed signer's outside identifier, probe digest, findings."""
        return self.details

    def subject(self) -> SignerKey | None:
        """See AuditEvent."""
        return self.signer


@dataclass(frozen=True)
class Identified(_Public):
    """A probe was searched for among all galleries."""

    kind: ClassVar[str] = "identified"
    generation: GenerationId
    candidates: tuple[dict[str, Any], ...]
    by: str = ""
    fpir: float | None = None
    signers: int = 0

    def public(self) -> dict[str, Any]:
        """Candidates by their keys, with scores and decisions, and what was decided at."""
        contents: dict[str, Any] = {
            "generation": self.generation,
            "candidates": list(self.candidates),
        }
        if self.fpir is not None:
            contents |= {"fpir": self.fpir, "signers": self.signers}
        return contents

    def personal(self) -> dict[str, Any]:
        """By whom."""
        return {"by": self.by} if self.by else {}


@dataclass(frozen=True)
class Reviewed:
    """A person gave a verdict on a verification; the machine's decision stays what it was."""

    kind: ClassVar[str] = "reviewed"
    signer: SignerKey
    verification: EventNumber
    verdict: Verdict
    by: str
    reason: str
    blind: bool

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {
            "signer": self.signer,
            "verification": self.verification,
            "verdict": self.verdict.value,
        }

    def personal(self) -> dict[str, Any]:
        """By whom, why, and whether the machine's scores were hidden."""
        return {"by": self.by, "reason": self.reason, "blind": self.blind}

    def subject(self) -> SignerKey | None:
        """See AuditEvent."""
        return self.signer


@dataclass(frozen=True)
class ProbesForgotten(_Public):
    """Kept probes were removed because of their age."""

    kind: ClassVar[str] = "probes-forgotten"
    probes: int
    before: datetime
    by: str = ""

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {"probes": self.probes, "before": self.before.isoformat()}

    def personal(self) -> dict[str, Any]:
        """By whom; it stays, since it is about no signer."""
        return {"by": self.by} if self.by else {}


@dataclass(frozen=True)
class KeyCreated(_Public):
    """Somebody was given a key."""

    kind: ClassVar[str] = "key-created"
    key: ApiKey

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        expires = self.key.expires_at
        return {
            "key": self.key.id,
            "roles": sorted(self.key.roles),
            "expires_at": None if expires is None else expires.isoformat(),
        }

    def personal(self) -> dict[str, Any]:
        """Whose it is, for which namespace, by whom; it stays, since it is about no signer."""
        return {
            "name": self.key.name,
            "namespace": self.key.namespace,
            "by": self.key.created_by,
        }


@dataclass(frozen=True)
class KeyRevoked(_Public):
    """A key opens nothing any more."""

    kind: ClassVar[str] = "key-revoked"
    key: str
    by: str

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {"key": self.key}

    def personal(self) -> dict[str, Any]:
        """By whom; it stays, since it is about no signer."""
        return {"by": self.by}


@dataclass(frozen=True)
class SignerErased(_Public):
    """A signer was erased, with every reference, image, vector and personal part."""

    kind: ClassVar[str] = "signer-erased"
    signer: SignerKey
    references: int
    by: str = ""

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {"signer": self.signer, "references": self.references}

    def personal(self) -> dict[str, Any]:
        """By whom; it stays, since it is about no signer."""
        return {"by": self.by} if self.by else {}


@dataclass(frozen=True)
class ReferenceErased:
    """One reference was erased, with its image, its vectors and what the log said of its image.

    Attributes:
        signer: whose it was.
        reference: the reference.
        parts: the events whose personal parts went with it.
        details: the signer's outside identifier, by whom and why it was erased, and who had
            enrolled it.
    """

    kind: ClassVar[str] = "reference-erased"
    signer: SignerKey
    reference: ReferenceId
    parts: tuple[EventNumber, ...]
    details: dict[str, Any]

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {"signer": self.signer, "reference": self.reference, "parts": list(self.parts)}

    def personal(self) -> dict[str, Any]:
        """The details; a reason may name people, so it goes with the signer."""
        return self.details

    def subject(self) -> SignerKey | None:
        """See AuditEvent."""
        return self.signer


@dataclass(frozen=True)
class BackedUp(_Public):
    """A backup was made of the vault.

    Attributes:
        backup: its id.
        through: the last event that it holds.
        hash: that event's hash.
        manifest: SHA-256 of its manifest, which names every file with its digest.
        files: how many files it has.
        size: how many bytes they have.
        by: who made it.
    """

    kind: ClassVar[str] = "backed-up"
    backup: str
    through: EventNumber
    hash: str
    manifest: str
    files: int
    size: int
    by: str = ""

    def public(self) -> dict[str, Any]:
        """See AuditEvent; where the backup lies is not told."""
        return {
            "backup": self.backup,
            "through": self.through,
            "hash": self.hash,
            "manifest": self.manifest,
            "files": self.files,
            "bytes": self.size,
        }

    def personal(self) -> dict[str, Any]:
        """By whom; it stays, since it is about no signer."""
        return {"by": self.by} if self.by else {}


@dataclass(frozen=True)
class VaultRestored(_Public):
    """The vault went back to a backup: what was recorded after that is in another vault's log.

    Attributes:
        backup: the backup's id.
        vault: the id of the vault that it was made of.
        through: the last event that it held.
        hash: that event's hash.
        manifest: SHA-256 of the backup's manifest.
        known_through: the last event of the log that told of later erasures and revocations, which
            follow this event; None if that was not known, which whoever restored accepted.
        by: who restored it.
    """

    kind: ClassVar[str] = "vault-restored"
    backup: str
    vault: str
    through: EventNumber
    hash: str
    manifest: str
    known_through: EventNumber | None
    by: str = ""

    def public(self) -> dict[str, Any]:
        """See AuditEvent."""
        return {
            "backup": self.backup,
            "vault": self.vault,
            "through": self.through,
            "hash": self.hash,
            "manifest": self.manifest,
            "known_through": self.known_through,
        }

    def personal(self) -> dict[str, Any]:
        """By whom; it stays, since it is about no signer."""
        return {"by": self.by} if self.by else {}


@dataclass(frozen=True)
class AuditRecord:
    """An event as it lies in the log.

    Attributes:
        number: its place, from 1 without gaps.
        at: when, UTC.
        kind: the kind of event.
        public: the part that stays.
        personal: the part that is removed with the signer or the reference; None once it is.
        personal_digest: salted SHA-256 of the personal part, hex.
        previous: the hash of the event before.
        hash: the hash of this event.
    """

    number: EventNumber
    at: datetime
    kind: str
    public: dict[str, Any]
    personal: dict[str, Any] | None
    personal_digest: str
    previous: str
    hash: str


@dataclass(frozen=True)
class Written:
    """A value that is canonical JSON already, to be put into an object as it stands.

    Attributes:
        text: as `canonical_json` writes the value.
    """

    text: str


def canonical_json(content: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: the same text for the same content.

    Args:
        content: what JSON holds; where it is a dictionary, values of it may be `Written`.
    """
    if type(content) is dict and Written in map(type, content.values()):
        return _write_around(content)
    return _CANONICAL.encode(content)


def _write_around(content: dict[str, Any]) -> str:
    """An object in which some values are written already: the others are, in order, between."""
    parts: list[str] = []
    others: dict[str, Any] = {}
    for key in sorted(content):
        value = content[key]
        if type(value) is not Written:
            others[key] = value
            continue
        if others:
            parts.append(_CANONICAL.encode(others)[1:-1])
            others = {}
        parts.append(f"{_CANONICAL.encode(key)}:{value.text}")
    if others:
        parts.append(_CANONICAL.encode(others)[1:-1])
    return f"{{{','.join(parts)}}}"


_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)


def digest_personal(salt: str, personal: dict[str, Any]) -> str:
    """Salted SHA-256 of a personal part; without the salt nothing can be guessed from it."""
    return digest_content(salt, canonical_json(personal))


def digest_content(salt: str, content: str) -> str:
    """The same of a personal part that `canonical_json` has written already."""
    return hashlib.sha256(f"{salt}\n{content}".encode()).hexdigest()


def chain_hash(
    number: int,
    at: datetime,
    kind: str,
    public: dict[str, Any] | Written,
    personal_digest: str,
    previous: str,
) -> str:
    """The hash of an event, which covers the one before it (a hash chain, RFC 9162's simpler kin).

    Args:
        number: the event's place.
        at: when, with a time zone; hashed as UTC ISO 8601 with microseconds.
        kind: the kind of event.
        public: the public part, or what `canonical_json` made of it.
        personal_digest: the digest of the personal part.
        previous: the hash of the event before, or FIRST_HASH.
    """
    text = canonical_json(
        {
            "number": number,
            "at": at.isoformat(timespec="microseconds"),
            "kind": kind,
            "public": public,
            "personal_digest": personal_digest,
            "previous": previous,
        }
    )
    return hashlib.sha256(text.encode()).hexdigest()
