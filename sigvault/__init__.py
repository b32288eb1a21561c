"""sigvault: enroll, verify and identify offline handwritten signatures.

::

    import sigvault

    with sigvault.open_vault("folder") as vault:
        verification = vault.verify(sigvault.SignerId("53"), Path("questioned.png"))
        print(verification.evidence.decision)

What is listed in ``__all__`` is the public interface. Each name is imported when it is first
used, so that ``import sigvault`` alone costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigvault.bootstrap import (
        create_vault,
        diagnose,
        open_vault,
    )
    from sigvault.domain.access import (
        ApiKey,
        IssuedKey,
        Role,
    )
    from sigvault.domain.aims import (
        Aim,
        Measure,
    )
    from sigvault.domain.audit import (
        AuditRecord,
    )
    from sigvault.domain.backup import BackupManifest
    from sigvault.domain.comparison import (
        Candidate,
        Decision,
        ErrorRates,
        Evidence,
        LikelihoodRatio,
        OperatingPoint,
        Origin,
        Rate,
        ReferenceScore,
        Score,
        Threshold,
    )
    from sigvault.domain.diagnosis import (
        Diagnosis,
        Finding,
        Severity,
    )
    from sigvault.domain.embedding import (
        Embedding,
    )
    from sigvault.domain.errors import (
        AcquisitionError,
        AlreadyReviewed,
        BackupDamaged,
        BackupNotFound,
        CheckpointMismatch,
        ConfigurationError,
        DatasetError,
        DemonstrationModel,
        DuplicateAcrossSigners,
        EmptyGallery,
        ErasuresUnknown,
        FailureToAcquire,
        FailureToEnroll,
        FolderMismatch,
        GenerationMismatch,
        GenerationUnfit,
        HistoryDiffers,
        ImageError,
        ImageTooLarge,
        IndexFailed,
        KeyRefused,
        LastReference,
        ModelError,
        NotCalibrated,
        ProbeNotKept,
        RequestDiffers,
        SigvaultError,
        StorageFailed,
        TrainingDiverged,
        UnknownEvent,
        UnknownGeneration,
        UnknownKey,
        UnknownModel,
        UnknownReference,
        UnknownSigner,
        UnreadableFile,
        UnsupportedAim,
        UnsupportedImage,
        VaultBusy,
        VaultDamaged,
        VaultError,
        VaultExists,
        VaultNotFound,
        VaultTooNew,
        WeightsUnavailable,
    )
    from sigvault.domain.fusion import (
        FusionRule,
    )
    from sigvault.domain.gallery import (
        Gallery,
        Reference,
        Spread,
    )
    from sigvault.domain.identifiers import (
        EventNumber,
        GenerationId,
        ModelId,
        ReferenceId,
        SignerId,
    )
    from sigvault.domain.image import (
        InkImage,
        QualityFinding,
        SignatureImage,
    )
    from sigvault.domain.model_card import (
        ModelCard,
    )
    from sigvault.domain.ports import (
        Embedder,
    )
    from sigvault.domain.reviewing import ReviewCase, ReviewVerdict
    from sigvault.domain.verbal_scale import (
        describe_llr,
    )
    from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict
    from sigvault.evaluation.generation_comparison import (
        GenerationComparison,
    )
    from sigvault.recovery import (
        RestoredVault,
        restore_vault,
        verify_backup,
    )
    from sigvault.services.answers import (
        RequestName,
    )
    from sigvault.services.reindexing import (
        Reindexing,
        ReindexPlan,
    )
    from sigvault.settings import (
        Settings,
        load_settings,
    )
    from sigvault.vault import (
        Activation,
        AuditCheck,
        Backup,
        Consistency,
        EnrollmentInterrupted,
        EnrollmentItem,
        EnrollmentOutcome,
        EnrollmentReport,
        Erasure,
        GenerationSummary,
        Identification,
        ItemResult,
        ReferenceConsistency,
        ReferenceErasure,
        ReferenceSummary,
        Replay,
        SignaturePicture,
        SignerDetail,
        SignerSummary,
        Vault,
        VaultStatus,
        Verification,
    )

__all__ = [
    "AcquisitionError",
    "Activation",
    "Aim",
    "AlreadyReviewed",
    "ApiKey",
    "AuditCheck",
    "AuditRecord",
    "Backup",
    "BackupDamaged",
    "BackupManifest",
    "BackupNotFound",
    "Candidate",
    "CheckpointMismatch",
    "ConfigurationError",
    "Consistency",
    "DatasetError",
    "Decision",
    "DemonstrationModel",
    "Diagnosis",
    "DuplicateAcrossSigners",
    "Embedder",
    "Embedding",
    "EmptyGallery",
    "EnrollmentInterrupted",
    "EnrollmentItem",
    "EnrollmentOutcome",
    "EnrollmentReport",
    "Erasure",
    "ErasuresUnknown",
    "ErrorRates",
    "EventNumber",
    "Evidence",
    "FailureToAcquire",
    "FailureToEnroll",
    "Finding",
    "FolderMismatch",
    "FusionRule",
    "Gallery",
    "GenerationComparison",
    "GenerationId",
    "GenerationMismatch",
    "GenerationSummary",
    "GenerationUnfit",
    "HistoryDiffers",
    "Identification",
    "ImageError",
    "ImageTooLarge",
    "IndexFailed",
    "InkImage",
    "IssuedKey",
    "ItemResult",
    "KeepProbes",
    "KeyRefused",
    "LastReference",
    "LikelihoodRatio",
    "Measure",
    "ModelCard",
    "ModelError",
    "ModelId",
    "NotCalibrated",
    "OperatingPoint",
    "Origin",
    "ProbeNotKept",
    "QualityFinding",
    "Rate",
    "Reference",
    "ReferenceConsistency",
    "ReferenceErasure",
    "ReferenceId",
    "ReferenceScore",
    "ReferenceSummary",
    "ReindexPlan",
    "Reindexing",
    "Replay",
    "RequestDiffers",
    "RequestName",
    "RestoredVault",
    "ReviewCase",
    "ReviewState",
    "ReviewVerdict",
    "Role",
    "Score",
    "Settings",
    "Severity",
    "SignatureImage",
    "SignaturePicture",
    "SignerDetail",
    "SignerId",
    "SignerSummary",
    "SigvaultError",
    "Spread",
    "StorageFailed",
    "Threshold",
    "TrainingDiverged",
    "UnknownEvent",
    "UnknownGeneration",
    "UnknownKey",
    "UnknownModel",
    "UnknownReference",
    "UnknownSigner",
    "UnreadableFile",
    "UnsupportedAim",
    "UnsupportedImage",
    "Vault",
    "VaultBusy",
    "VaultDamaged",
    "VaultError",
    "VaultExists",
    "VaultNotFound",
    "VaultStatus",
    "VaultTooNew",
    "Verdict",
    "Verification",
    "WeightsUnavailable",
    "create_vault",
    "describe_llr",
    "diagnose",
    "load_settings",
    "open_vault",
    "restore_vault",
    "verify_backup",
]

_HOMES = {
    "sigvault.bootstrap": (
        "create_vault",
        "diagnose",
        "open_vault",
    ),
    "sigvault.domain.access": (
        "ApiKey",
        "IssuedKey",
        "Role",
    ),
    "sigvault.domain.aims": (
        "Aim",
        "Measure",
    ),
    "sigvault.domain.audit": ("AuditRecord",),
    "sigvault.domain.backup": ("BackupManifest",),
    "sigvault.domain.comparison": (
        "Candidate",
        "Decision",
        "ErrorRates",
        "Evidence",
        "LikelihoodRatio",
        "OperatingPoint",
        "Origin",
        "Rate",
        "ReferenceScore",
        "Score",
        "Threshold",
    ),
    "sigvault.domain.diagnosis": (
        "Diagnosis",
        "Finding",
        "Severity",
    ),
    "sigvault.domain.embedding": ("Embedding",),
    "sigvault.domain.errors": (
        "AcquisitionError",
        "AlreadyReviewed",
        "BackupDamaged",
        "BackupNotFound",
        "CheckpointMismatch",
        "ConfigurationError",
        "DatasetError",
        "DemonstrationModel",
        "DuplicateAcrossSigners",
        "EmptyGallery",
        "ErasuresUnknown",
        "FailureToAcquire",
        "FailureToEnroll",
        "FolderMismatch",
        "GenerationMismatch",
        "GenerationUnfit",
        "HistoryDiffers",
        "ImageError",
        "ImageTooLarge",
        "IndexFailed",
        "KeyRefused",
        "LastReference",
        "ModelError",
        "NotCalibrated",
        "ProbeNotKept",
        "RequestDiffers",
        "SigvaultError",
        "StorageFailed",
        "TrainingDiverged",
        "UnknownEvent",
        "UnknownGeneration",
        "UnknownKey",
        "UnknownModel",
        "UnknownReference",
        "UnknownSigner",
        "UnreadableFile",
        "UnsupportedAim",
        "UnsupportedImage",
        "VaultBusy",
        "VaultDamaged",
        "VaultError",
        "VaultExists",
        "VaultNotFound",
        "VaultTooNew",
        "WeightsUnavailable",
    ),
    "sigvault.domain.fusion": ("FusionRule",),
    "sigvault.domain.gallery": (
        "Gallery",
        "Reference",
        "Spread",
    ),
    "sigvault.domain.identifiers": (
        "EventNumber",
        "GenerationId",
        "ModelId",
        "ReferenceId",
        "SignerId",
    ),
    "sigvault.domain.image": (
        "InkImage",
        "QualityFinding",
        "SignatureImage",
    ),
    "sigvault.domain.model_card": ("ModelCard",),
    "sigvault.domain.ports": ("Embedder",),
    "sigvault.domain.reviewing": (
        "ReviewCase",
        "ReviewVerdict",
    ),
    "sigvault.domain.verdicts": (
        "KeepProbes",
        "ReviewState",
        "Verdict",
    ),
    "sigvault.domain.verbal_scale": ("describe_llr",),
    "sigvault.evaluation.generation_comparison": ("GenerationComparison",),
    "sigvault.recovery": (
        "RestoredVault",
        "restore_vault",
        "verify_backup",
    ),
    "sigvault.services.answers": ("RequestName",),
    "sigvault.services.reindexing": (
        "ReindexPlan",
        "Reindexing",
    ),
    "sigvault.settings": (
        "Settings",
        "load_settings",
    ),
    "sigvault.vault": (
        "Activation",
        "AuditCheck",
        "Backup",
        "Consistency",
        "EnrollmentInterrupted",
        "EnrollmentItem",
        "EnrollmentOutcome",
        "EnrollmentReport",
        "Erasure",
        "GenerationSummary",
        "Identification",
        "ItemResult",
        "ReferenceConsistency",
        "ReferenceErasure",
        "ReferenceSummary",
        "Replay",
        "SignaturePicture",
        "SignerDetail",
        "SignerSummary",
        "Vault",
        "VaultStatus",
        "Verification",
    ),
}


def __getattr__(name: str) -> object:
    """Import a public name from its home when it is first used (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'sigvault' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
