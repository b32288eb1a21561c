"""Results as JSON-ready documents."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigvault.domain.comparison import Candidate
from sigvault.domain.model_card import ModelCard
from sigvault.domain.serialisation import candidate_to_dict, evidence_to_dict
from sigvault.domain.verbal_scale import describe_llr

if TYPE_CHECKING:
    from sigvault.cli.known_models import KnownModel
    from sigvault.vault import EnrollmentReport, Identification, Verification


def to_document(value: object) -> Any:
    """Any result value as JSON-ready content, field by field.

    Dataclasses become objects, sequences and sets arrays, enumerations their values, times ISO
    8601, paths text, and what is not a number null.

    Raises:
        TypeError: If a value has no form in JSON.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_document(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [to_document(entry) for entry in value]
    if isinstance(value, set | frozenset):
        return sorted(to_document(entry) for entry in value)
    return _scalar(value)


def _scalar(value: object) -> str | int | float | None:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def error_document(name: str, message: str) -> dict[str, Any]:
    """An error by the name of its class."""
    return {"error": {"name": name, "message": message}}


def verification_document(verification: Verification, report: Path | None) -> dict[str, Any]:
    """All that a verification rests on, with its place in the audit log."""
    evidence = evidence_to_dict(verification.evidence)
    score = evidence["score"]
    return {
        "signer": evidence["signer"],
        "decision": evidence["decision"],
        "score": score["value"],
        "llr": evidence["llr"],
        "llr_words": describe_llr(verification.evidence.llr),
        "threshold": evidence["threshold"],
        "references": score["per_reference"],
        "straightened": verification.evidence.score.straightened,
        "spread": score["spread"],
        "fusion": score["fusion"],
        "findings": evidence["findings"],
        "probe_digest": evidence["probe_digest"],
        "model": evidence["model"],
        "preprocessing": evidence["preprocessing"],
        "generation": evidence["generation"],
        "event": verification.event,
        "report": None if report is None else str(report),
    }


def identification_document(identification: Identification) -> dict[str, Any]:
    """The candidates of an identification, best first."""
    return {
        "decision": identification.decision.value,
        "candidates": [candidate_document(candidate) for candidate in identification.candidates],
        "fpir": identification.fpir,
        "signers": identification.signers,
        "unsupported": identification.unsupported or None,
        "searched": identification.searched,
        "findings": to_document(identification.findings),
        "probe_digest": identification.probe_digest,
        "event": identification.event,
    }


def candidate_document(candidate: Candidate) -> dict[str, Any]:
    """A candidate, with the score flat as a verification has it."""
    content = candidate_to_dict(candidate)
    score = content.pop("score")
    return {
        "rank": content["rank"],
        "signer": content["signer"],
        "decision": content["decision"],
        "score": score["value"],
        "llr": content["llr"],
        "llr_words": describe_llr(candidate.llr, "this signer"),
        "references": score["per_reference"],
        "straightened": candidate.score.straightened,
        "spread": score["spread"],
        "copied": candidate.copied,
        "traced": candidate.traced,
    }


def enrollment_document(report: EnrollmentReport) -> dict[str, Any]:
    """What became of each image, and an error if any failed."""
    document: dict[str, Any] = {
        "enrolled": report.enrolled,
        "already": report.already,
        "failed": report.failed,
        "results": to_document(report.results),
    }
    failures = [result for result in report.results if result.error is not None]
    if failures:
        message = f"{len(failures)} of {len(report.results)} images could not be enrolled"
        document |= error_document(failures[0].error or "FailureToEnroll", message)
    return document


def model_summary(known: KnownModel) -> dict[str, Any]:
    """What a list of models says of each."""
    card = known.card
    return {
        "model": card.id,
        "bundled_as": known.bundled_as,
        "in_use": known.in_use,
        "in_vault": known.in_vault,
        "preprocessing": card.preprocessing_name,
        "licence": card.licence,
        "thresholds": [threshold.references for threshold in card.thresholds],
        "training_data": list(card.training_data),
        "measured": [to_document(rates) for rates in card.measured],
    }


def model_document(card: ModelCard) -> dict[str, Any]:
    """A model's card; of the pictures that it was trained on, only how many."""
    document: dict[str, Any] = {"model": card.id} | to_document(card)
    document["training_images"] = len(document.pop("training_digests"))
    return document
