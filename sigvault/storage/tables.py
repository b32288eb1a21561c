"""The tables, as SQLAlchemy sees them; `migrations/` makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sigvault.domain.identifiers import (
    EventNumber,
    GenerationId,
    ModelId,
    ReferenceId,
    SignerId,
    SignerKey,
)
from sigvault.domain.verdicts import ReviewState

COUNTER = BigInteger().with_variant(Integer, "sqlite")
"""64-bit integers that the database counts up: SQLite does so for INTEGER alone."""


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, stored and read as UTC; SQLite would lose the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Refuse a time without a zone and turn the others to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Say that the time read is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class SignerStatus(StrEnum):
    """Whether a signer can be verified against."""

    ACTIVE = "active"
    ERASED = "erased"


class GenerationStatus(StrEnum):
    """Where a generation stands; exactly one decides."""

    BUILDING = "building"
    ACTIVE = "active"
    RETIRED = "retired"


class VectorEncoding(StrEnum):
    """How a global vector is stored, little-endian."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class LocalEncoding(StrEnum):
    """How local features are stored.

    ``INT8``: as they are. ``INT8_ZLIB``: compressed, as versions before wrote them. ``INT8_INKED``:
    one bit for each cell, whether it is inked, in whole bytes; then the inked cells alone.
    """

    INT8 = "int8"
    INT8_ZLIB = "int8-zlib"
    INT8_INKED = "int8-inked"


class ChangeKind(StrEnum):
    """What happened to a vector."""

    ADD = "add"
    REMOVE = "remove"


def _choice(choices: type[StrEnum], name: str) -> Enum:
    """A closed choice, stored as its value and checked by the database."""
    return Enum(
        choices,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda kinds: [kind.value for kind in kinds],
    )


class Base(DeclarativeBase):
    """The root of the tables; constraints are named so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class SignerRow(Base):
    """A signer; once erased, only the key and the times remain.

    Attributes:
        key: 32 hex digits, see `ordered_keys`.
        external_id: the identifier outside sigvault; None once erased.
        name: the name shown to people, may be empty; None once erased.
        status: active or erased.
        created_at: when the signer was added, UTC.
        erased_at: when the signer was erased, UTC, or None.
    """

    __tablename__ = "signers"

    key: Mapped[SignerKey] = mapped_column(String(32), primary_key=True)
    external_id: Mapped[SignerId | None] = mapped_column(Text, unique=True)
    name: Mapped[str | None] = mapped_column(Text)
    status: Mapped[SignerStatus] = mapped_column(_choice(SignerStatus, "status"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ReferenceRow(Base):
    """An enrolled reference.

    Attributes:
        id: 32 hex digits, see `ordered_keys`.
        signer_key: whose signature it is.
        image_digest: SHA-256 of the enrolled bytes, hex: where the image lies.
        image_bytes: how many bytes the image has.
        findings: what quality inspection noticed, as `finding_to_dict` writes it.
        enrolled_at: when, UTC.
        enrolled_by: by whom.
    """

    __tablename__ = "references"
    __table_args__ = (UniqueConstraint("signer_key", "image_digest"),)

    id: Mapped[ReferenceId] = mapped_column(String(32), primary_key=True)
    signer_key: Mapped[SignerKey] = mapped_column(ForeignKey("signers.key"))
    image_digest: Mapped[str] = mapped_column(String(64), index=True)
    image_bytes: Mapped[int] = mapped_column(BigInteger)
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    enrolled_at: Mapped[datetime] = mapped_column(UtcDateTime)
    enrolled_by: Mapped[str] = mapped_column(Text)


class ModelRow(Base):
    """A model that made vectors in this vault.

    Attributes:
        id: its name and the start of its digest.
        name: its name.
        sha256: SHA-256 of the weights' file, hex.
        card: the model card, as `card_to_dict` writes it.
        added_at: when it was first used here, UTC.
    """

    __tablename__ = "models"

    id: Mapped[ModelId] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    card: Mapped[dict[str, Any]] = mapped_column(JSON)
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)


class GenerationRow(Base):
    """A model, its preprocessing, vectors, index and thresholds bound together.

    Attributes:
        id: counted up from 1.
        model_id: the model that made every vector.
        preprocessing: the name and version of the preprocessing that it was fed with.
        dimension: D, the length of the global vectors.
        status: building, active (exactly one) or retired.
        created_at: when, UTC.
        activated_at: when it began to decide, UTC, or None.
    """

    __tablename__ = "generations"
    __table_args__ = (
        Index(
            "uq_generations_active",
            "status",
            unique=True,
            sqlite_where=text("status = 'active'"),
            postgresql_where=text("status = 'active'"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[GenerationId] = mapped_column(Integer, primary_key=True)
    model_id: Mapped[ModelId] = mapped_column(ForeignKey("models.id"))
    preprocessing: Mapped[str] = mapped_column(Text)
    dimension: Mapped[int] = mapped_column(Integer)
    status: Mapped[GenerationStatus] = mapped_column(_choice(GenerationStatus, "status"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    activated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EmbeddingRow(Base):
    """What one generation's model says of one reference.

    Attributes:
        row: the number under which the vector lies in the index; never used twice.
        reference_id: the reference.
        generation_id: the generation.
        encoding: how ``vector`` is stored.
        vector: the global embedding.
        local_encoding: how ``local`` is stored.
        local: the local features, int8.
        local_shape: their shape, [rows, columns, C], or [views, rows, columns, C].
    """

    __tablename__ = "embeddings"
    __table_args__ = (
        UniqueConstraint("reference_id", "generation_id"),
        Index(None, "generation_id", "row"),
        {"sqlite_autoincrement": True},
    )

    row: Mapped[int] = mapped_column(COUNTER, primary_key=True)
    reference_id: Mapped[ReferenceId] = mapped_column(ForeignKey("references.id"))
    generation_id: Mapped[GenerationId] = mapped_column(ForeignKey("generations.id"))
    encoding: Mapped[VectorEncoding] = mapped_column(_choice(VectorEncoding, "encoding"))
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    local_encoding: Mapped[LocalEncoding] = mapped_column(_choice(LocalEncoding, "local_encoding"))
    local: Mapped[bytes] = mapped_column(LargeBinary)
    local_shape: Mapped[list[int]] = mapped_column(JSON)


class GallerySpreadRow(Base):
    """How alike a signer's references are to each other, so that no decision works it out anew.

    Attributes:
        signer_key: whose references.
        generation_id: in which generation.
        vectors_digest: of the numbers of the vectors that it was worked out from; with any
            others it says nothing.
        cosine: mean cosine of all pairs.
        local: mean local score of all pairs.
    """

    __tablename__ = "gallery_spreads"

    signer_key: Mapped[SignerKey] = mapped_column(ForeignKey("signers.key"), primary_key=True)
    generation_id: Mapped[GenerationId] = mapped_column(
        ForeignKey("generations.id"), primary_key=True, autoincrement=False
    )
    vectors_digest: Mapped[str] = mapped_column(String(32))
    cosine: Mapped[float] = mapped_column(Double)
    local: Mapped[float] = mapped_column(Double)


class IndexChangeRow(Base):
    """Vectors of consecutive numbers that came or went: by these a cached index is caught up.

    Attributes:
        sequence: counted up; later changes have larger numbers.
        generation_id: whose index it concerns.
        row: the first vector's number.
        kind: add or remove.
        length: how many vectors, with the numbers from ``row`` on.
    """

    __tablename__ = "index_changes"
    __table_args__ = (
        Index(None, "generation_id", "sequence"),
        {"sqlite_autoincrement": True},
    )

    sequence: Mapped[int] = mapped_column(COUNTER, primary_key=True)
    generation_id: Mapped[GenerationId] = mapped_column(ForeignKey("generations.id"))
    row: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[ChangeKind] = mapped_column(_choice(ChangeKind, "kind"))
    length: Mapped[int] = mapped_column(Integer, server_default="1")


class ThresholdRow(Base):
    """A generation's threshold for a number of references.

    Attributes:
        generation_id: the generation.
        references: the number of references that it was calibrated with.
        payload: the threshold, as `threshold_to_dict` writes it.
        created_at: when, UTC.
        event: the audit event that tells of the calibration.
    """

    __tablename__ = "thresholds"

    generation_id: Mapped[GenerationId] = mapped_column(
        ForeignKey("generations.id"), primary_key=True
    )
    references: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    event: Mapped[EventNumber] = mapped_column(ForeignKey("audit_events.number"))


class OrphanedImageRow(Base):
    """An image whose last reference or kept probe is erased, until its file is gone, too.

    Attributes:
        digest: SHA-256 of its bytes, hex.
    """

    __tablename__ = "orphaned_images"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)


class KeptProbeRow(Base):
    """The probe of a verification, kept for people to look at.

    Attributes:
        event: the verification's number.
        signer_key: the claimed signer, with whom it is removed.
        image_digest: SHA-256 of the probe's bytes, hex: where they lie.
        image_bytes: how many bytes they are.
        kept_at: since when, UTC.
    """

    __tablename__ = "kept_probes"

    event: Mapped[EventNumber] = mapped_column(
        ForeignKey("audit_events.number"), primary_key=True, autoincrement=False
    )
    signer_key: Mapped[SignerKey] = mapped_column(ForeignKey("signers.key"), index=True)
    image_digest: Mapped[str] = mapped_column(String(64), index=True)
    image_bytes: Mapped[int] = mapped_column(BigInteger)
    kept_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class ReviewRow(Base):
    """A verification that people were asked about, or looked at unasked.

    Attributes:
        event: the verification's number.
        signer_key: the claimed signer, with whom it is removed.
        state: open, disputed or decided.
    """

    __tablename__ = "reviews"
    __table_args__ = (Index(None, "state", "event"),)

    event: Mapped[EventNumber] = mapped_column(
        ForeignKey("audit_events.number"), primary_key=True, autoincrement=False
    )
    signer_key: Mapped[SignerKey] = mapped_column(ForeignKey("signers.key"), index=True)
    state: Mapped[ReviewState] = mapped_column(_choice(ReviewState, "state"))


class VerdictRow(Base):
    """Which events are the verdicts on a verification; what they say is in the audit log.

    Attributes:
        event: the verdict's number.
        verification: the verification's number.
    """

    __tablename__ = "verdicts"

    event: Mapped[EventNumber] = mapped_column(
        ForeignKey("audit_events.number"), primary_key=True, autoincrement=False
    )
    verification: Mapped[EventNumber] = mapped_column(ForeignKey("reviews.event"), index=True)


class ApiKeyRow(Base):
    """A key; see `domain.access.ApiKey`.

    Attributes:
        id: 16 random hex digits.
        name: who acts with it.
        roles: what it may be used for, sorted.
        namespace: the part of the vault that it sees; all of it if empty.
        secret_digest: SHA-256 of the random part of the secret, hex.
        created_at: when, UTC.
        created_by: by whom.
        expires_at: from when on it is refused, UTC, or None.
        revoked_at: since when it is refused for good, UTC, or None.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    roles: Mapped[list[str]] = mapped_column(JSON)
    namespace: Mapped[str] = mapped_column(Text)
    secret_digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AnswerRow(Base):
    """An answer that was given, so that the same request gets it again.

    Attributes:
        asker: whose request it was: a key's id, or ``"local"``.
        name: what the asker called the request.
        request_digest: SHA-256 of the request, hex.
        answer: what was answered, JSON.
        answered_at: when, UTC.
    """

    __tablename__ = "answers"

    asker: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(Text)
    answered_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class AnswerSignerRow(Base):
    """A signer that an answer names, with whom the answer is removed.

    Attributes:
        asker: the answer's.
        name: the answer's.
        signer_key: the signer.
    """

    __tablename__ = "answer_signers"
    __table_args__ = (ForeignKeyConstraint(["asker", "name"], ["answers.asker", "answers.name"]),)

    asker: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    signer_key: Mapped[SignerKey] = mapped_column(
        ForeignKey("signers.key"), primary_key=True, index=True
    )


class AuditEventRow(Base):
    """An event of the audit log, as the hash chain covers it.

    Attributes:
        number: from 1 without gaps.
        at: when, ISO 8601 in UTC with microseconds, exactly as hashed.
        kind: the kind of event.
        signer_key: the signer that the public part names, to find a signer's events.
        public: the part that stays, JSON exactly as hashed.
        personal_digest: salted SHA-256 of the personal part, hex.
        previous: the hash of the event before.
        hash: the hash of this event.
    """

    __tablename__ = "audit_events"

    number: Mapped[EventNumber] = mapped_column(COUNTER, primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(32))
    signer_key: Mapped[SignerKey | None] = mapped_column(String(32), index=True)
    public: Mapped[str] = mapped_column(Text)
    personal_digest: Mapped[str] = mapped_column(String(64))
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditPersonalRow(Base):
    """The personal part of an event, removed with the signer.

    Attributes:
        event: the event.
        signer_key: the signer with whom it is removed, or None if it stays.
        salt: 32 random hex digits, without which nothing can be guessed from the digest.
        content: JSON exactly as digested.
    """

    __tablename__ = "audit_personal"

    event: Mapped[EventNumber] = mapped_column(
        ForeignKey("audit_events.number"), primary_key=True, autoincrement=False
    )
    signer_key: Mapped[SignerKey | None] = mapped_column(String(32), index=True)
    salt: Mapped[str] = mapped_column(String(32))
    content: Mapped[str] = mapped_column(Text)


class AuditHeadRow(Base):
    """Where the audit log ends: a single row, locked while an event is appended.

    Attributes:
        id: always 1.
        number: the last event's number, 0 before the first.
        hash: the last event's hash.
    """

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[EventNumber] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


class VaultStateRow(Base):
    """What the vault knows of itself: a single row.

    Attributes:
        id: always 1.
        vault_id: 32 random hex digits, which its folder of images holds too; None until then.
        erased_through: the number of the last event that took something away for good.
        log_clean_through: up to which event what went is gone from SQLite's write-ahead log, too.
        rewritten_through: up to which event what went is gone from the unused parts of pages, too.
    """

    __tablename__ = "vault_state"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    vault_id: Mapped[str | None] = mapped_column(String(32))
    erased_through: Mapped[EventNumber] = mapped_column(BigInteger)
    log_clean_through: Mapped[EventNumber] = mapped_column(BigInteger)
    rewritten_through: Mapped[EventNumber] = mapped_column(BigInteger)
