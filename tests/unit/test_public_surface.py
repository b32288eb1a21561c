"""What `import sigvault` offers, pinned: a change here is a change of the public interface."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sigvault
from sigvault.domain import errors

PUBLIC = [
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


def test_the_public_names_are_these_sorted():
    assert sigvault.__all__ == PUBLIC == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_can_be_imported(name):
    assert getattr(sigvault, name) is not None
    assert name in dir(sigvault)


def test_every_error_is_public():
    raised = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.SigvaultError)
    }
    assert raised <= set(sigvault.__all__)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(sigvault.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {name: home for home, names in sigvault._HOMES.items() for name in names}
    assert seen == homes
    assert sorted(homes) == sigvault.__all__


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = sigvault.nonsense


def test_importing_does_next_to_nothing():
    script = (
        "import sys, sigvault; before = set(sys.modules); sigvault.open_vault;"
        "heavy = {'torch', 'faiss', 'sklearn', 'matplotlib'};"
        "print('numpy' in before, *(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(sigvault.__file__).parents[1],
    )
    assert done.stdout.split() == ["False"]
