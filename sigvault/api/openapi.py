"""The description of the service: bodies in both forms, examples, and every error of each call."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from sigvault.api import errors, schemas
from sigvault.api.errors import KINDS, MEDIA_TYPE, Kind, kind_of
from sigvault.domain import errors as domain

TITLE = "sigvault"
DESCRIPTION = (
    "Verifies offline handwritten signatures against enrolled references, and says why. Every call "
    "takes a key (`Authorization: Bearer sv_…`), every error is a problem as RFC 9457 has it, with "
    "what to do. TLS is the matter of a proxy in front."
)
TAGS = [
    {"name": "signers", "description": "Who is enrolled, with which references."},
    {"name": "decisions", "description": "Verification (1:1) and identification (1:N)."},
    {"name": "reviews", "description": "What people look at, and what they say."},
    {"name": "vault", "description": "What decides, and the audit log."},
    {"name": "health", "description": "Whether the service lives and is ready; no key needed."},
]
_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAASwAAAB4AQAAAABgbvKNAAAC+UlEQVR42u1Xu44TMRQ99s4Ks02GlmIzdJR8QMTOJ1"
    "BQ0MEfQEeEtnCxSCn5hHwIxQhS8AWI0tkKCQkcJCSDvL4UnvHY84hmBSshFEuJPMnxub4PH99hhAljxzFpHGAH2P8D"
    "uyr+qlE9CWb/rqfmZuJG02Df5R6YOQ/TKuLssZVhpiLOcaPaB3o9DHPNhJkoKz1Ym3oJANoMwnadZzbiQhuuRcvZh+"
    "XXzMKl/178WU7lHtgymBL72N4ATnX+OgWATQwjaysqo4y3gHRvV9L6tGR7jDoYNeLjaddT4019SlCrmM0+bOm/DOWj"
    "Zit0OFKukQjqwYyExnka31Vsu3FsG5c3LMhXFOWJUeKNeDBRAdCY1ytmEYzlAHPfAKzwGICBM0nJ87rgK4PCn6K1j6"
    "DLhWyVp4nbhQSp9hdZA1QBWyXhVXmdTg1oY1EAoPslrmQLEwK8dpX5z7PGcaMithcWIlMhACF8Mo4bP5abZAOlyQHA"
    "3YNY6sCmOLDJ6tAtAW7xGlkF3K2PPY9E4XYsRieNMbb0sMtaFHgrqFkk6Kp3siRc4f8pWFjxbhHDaMUeBVmQDgBXsG"
    "UdZt5sIW+kDPj5WUC19p2HzcJp8kKwMA7gANMAcJQVY+LwNK5cSTFMRKUv87wC8BKQwJO8z2ZLALvcZ+dXaRr57MA+"
    "DIi6kA1MNMmt/PKip0tEmmhGZM+I3jsQ0XZrzsyMiL7ONRGROSPNPalPyqnr6OuuKaJ0b3Y2FB8VwbgCgAcAcHlcZh"
    "2x5+kF4J3j0guITtgoqIqR4QCnNwgH4J7vF33vRvb2451hlEwVyaQb3AB8nbYHPH6ahdJmZV979atiyi2j0qUibKnc"
    "xDAWFJCPdUI8lZs9RnlWJGWTieG9iTFTRQxrq0dcpNeRi8vSzX+QH+YWERHN60fazuqJ5gBbn6RW10ONVTRqtjBUzD"
    "buYz5819tpLUE22pQksKNOryJGGoz1tD6kvMkOP5vIVkyDqWvuje17xSY26RWbHV7HDrB/GfYbxz4r+EsfiP4AAAAA"
    "SUVORK5CYII="
)
"""The example of a picture: a wave written by a pen, PNG in base64."""

EXAMPLE_EVENT = 54
_RATE = {"value": 0.02, "low": 0.01, "high": 0.03}
_RATES = {"fnmr": _RATE, "fmr": _RATE, "skilled_fmr": _RATE}
_THRESHOLD = {
    "references": 5,
    "accept": 0.212,
    "refuse": 0.092,
    "accept_rates": _RATES,
    "refuse_rates": _RATES,
    "copy_limit": 0.941,
    "trace_limit": 0.884,
    "origin": {
        "data": "cedar, sigcomp2011_dutch",
        "protocol": "random draws of references, unseen signers",
        "signers": 87,
        "mated": 1000,
        "random_forgeries": 9000,
        "skilled_forgeries": 900,
        "draws": 10,
        "seed": 0,
        "model": "sigvault-r18-onepen-5-d7011000f3ad",
        "preprocessing": "onepen-5",
    },
}
_REFERENCE = "27ad611a4e2443d29e44639990b77507"
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_SCORES = [{"reference": _REFERENCE, "cosine": 0.931, "distance": 0.373, "local": 0.893}]
_VERIFICATION = {
    "event": EXAMPLE_EVENT,
    "signer": "53",
    "decision": "review",
    "score": 0.139,
    "llr": -0.17,
    "llr_words": "no support either way",
    "references": _SCORES,
    "threshold": _THRESHOLD,
    "findings": [],
    "probe_digest": _DIGEST,
    "model": "sigvault-r18-onepen-5-d7011000f3ad",
    "preprocessing": "onepen-5",
    "generation": 1,
}
_AT = "2026-01-31T09:30:00Z"
_SUMMARY = {"signer": "53", "name": "A. N. Other", "references": 5, "created_at": _AT}
_ENROLLED = {
    "id": _REFERENCE,
    "digest": _DIGEST,
    "enrolled_at": _AT,
    "enrolled_by": "branch-7",
    "findings": [],
}
_SAID = {
    "event": 57,
    "at": _AT,
    "by": "anna",
    "verdict": "accept",
    "reason": "The loops agree.",
    "blind": True,
}
_RECORD = {
    "number": 57,
    "at": _AT,
    "kind": "reviewed",
    "public": {"signer": "0" * 32, "verification": EXAMPLE_EVENT, "verdict": "accept"},
    "personal": {"by": "anna", "reason": "The loops agree.", "blind": True},
    "personal_digest": _DIGEST,
    "previous": _DIGEST,
    "hash": _DIGEST,
}
_CANDIDATE = {
    "rank": 1,
    "signer": "53",
    "decision": "accept",
    "score": 0.255,
    "llr": 1.53,
    "llr_words": "moderate support that this signer wrote it",
    "references": _SCORES,
    "copied": None,
    "traced": None,
}
_RESULT = {
    "image": 1,
    "signer": "53",
    "outcome": "enrolled",
    "reference": _REFERENCE,
    "digest": _DIGEST,
    "findings": [],
    "error": None,
    "message": "",
}
EXAMPLES: dict[type[BaseModel], Any] = {
    schemas.EnrollmentRequest: {"images": [_PICTURE], "signer_name": "A. N. Other"},
    schemas.BulkEnrollmentRequest: {"signers": ["53", "54"], "images": [_PICTURE, _PICTURE]},
    schemas.VerificationRequest: {"image": _PICTURE},
    schemas.BulkVerificationRequest: {"signers": ["53", "54"], "images": [_PICTURE, _PICTURE]},
    schemas.IdentificationRequest: {"image": _PICTURE, "top": 3},
    schemas.VerdictRequest: {"verdict": "accept", "reason": "The loops agree.", "blind": True},
    schemas.SignerDetail: {**_SUMMARY, "events": 12, "reference_list": [_ENROLLED]},
    schemas.Page[schemas.SignerSummary]: {"items": [_SUMMARY], "next": "WyI1MyJd"},
    schemas.Page[schemas.Reference]: {"items": [_ENROLLED], "next": None},
    schemas.Erasure: {
        "signer": "53",
        "references": 5,
        "images_removed": 6,
        "audit_parts": 7,
        "event": 58,
        "log_clean": True,
    },
    schemas.ReferenceErasure: {
        "signer": "53",
        "reference": _REFERENCE,
        "references_left": 4,
        "images_removed": 1,
        "audit_parts": 1,
        "event": 59,
        "log_clean": True,
    },
    schemas.Enrollment: {"enrolled": 1, "already": 0, "failed": 0, "results": [_RESULT]},
    schemas.Verification: _VERIFICATION,
    schemas.BulkVerification: {
        "decided": 1,
        "failed": 0,
        "results": [
            {
                "image": 1,
                "signer": "53",
                "verification": _VERIFICATION,
                "error": None,
                "message": "",
            }
        ],
    },
    schemas.Identification: {
        "event": 55,
        "decision": "accept",
        "candidates": [_CANDIDATE],
        "undecided": [],
        "fpir": 0.01,
        "signers": 10,
        "searched": 50,
        "unsupported": "",
        "findings": [],
        "probe_digest": _DIGEST,
    },
}
_REVIEW = {
    "event": EXAMPLE_EVENT,
    "at": _AT,
    "signer": "53",
    "state": "decided",
    "outcome": "accept",
    "probe_kept": True,
    "verdicts": [_SAID],
    "verification": _VERIFICATION,
}
EXAMPLES |= {
    schemas.Review: _REVIEW,
    schemas.Page[schemas.Review]: {"items": [_REVIEW], "next": None},
    schemas.AuditRecord: _RECORD,
    schemas.Page[schemas.AuditRecord]: {"items": [_RECORD], "next": "WzU3XQ"},
    schemas.AuditCheck: {
        "events": 58,
        "whole": True,
        "first_broken": None,
        "reason": "",
        "images_missing": [],
        "erased_parts": 5,
        "replayed": 4,
    },
    schemas.Page[schemas.Threshold]: {"items": [_THRESHOLD], "next": None},
    schemas.Page[schemas.Generation]: {
        "items": [
            {
                "id": 1,
                "status": "active",
                "model": "sigvault-r18-onepen-5-d7011000f3ad",
                "preprocessing": "onepen-5",
                "dimension": 256,
                "vectors": 50,
                "missing": 0,
                "thresholds": [*range(1, 11), 12, 15, 20],
                "created_at": _AT,
                "activated_at": _AT,
            }
        ],
        "next": None,
    },
    schemas.Health: {"status": "ready"},
}
"""An answer or a request of each kind; a test checks them against the schemas."""

ALWAYS = (
    errors.NO_KEY,
    KINDS[domain.KeyRefused],
    errors.NOT_ALLOWED,
    errors.FOREIGN_PAGE,
    errors.PASSED_ON,
    errors.INVALID,
    errors.TOO_MANY,
    errors.BROKEN,
    KINDS[domain.SigvaultError],
    errors.BUSY,
    KINDS[domain.StorageFailed],
    errors.TIMED_OUT,
)
"""What any call with a key may be answered with."""

_OF_BODIES = (errors.TOO_SLOW, errors.TOO_LARGE, errors.WRONG_MEDIA)
_PROBLEMS, _TAKES = "x-problems", "x-takes"
_BY_NAME = {kind.name: kind for kind in KINDS.values()} | {
    kind.name: kind for kind in vars(errors).values() if isinstance(kind, Kind)
}
_TAKEN = {model.__name__: model for model in EXAMPLES if issubclass(model, schemas.Request)}


def told(
    model: type[BaseModel] | None,
    *kinds: Kind | type[domain.SigvaultError],
    takes: type[BaseModel] | None = None,
    keyless: bool = False,
) -> dict[str, Any]:
    """What a call is described by: its answer, its body, and the problems that are its own."""
    found = [kind_of(kind) if isinstance(kind, type) else kind for kind in kinds]
    usual = () if keyless else ALWAYS
    found += [*usual, *(_OF_BODIES if takes else ())]
    extra: dict[str, Any] = {_PROBLEMS: [kind.name for kind in dict.fromkeys(found)]}
    if takes is not None:
        extra[_TAKES] = takes.__name__
    return {"response_model": model, "openapi_extra": extra}


def describe(app: FastAPI, routes: Iterable[APIRoute]) -> dict[str, Any]:
    """The OpenAPI document of an app's calls, each named as its function; it is made once."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    named = {route.name: route for route in routes}
    document = get_openapi(
        title=TITLE,
        version=version("sigvault"),
        openapi_version="3.1.0",
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
    )
    parts = document.setdefault("components", {})
    parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    parts["schemas"] |= _schemas()
    for leftover in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(leftover, None)
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation, named[operation["operationId"]])
    app.openapi_schema = document
    return document


def _complete(operation: dict[str, Any], route: APIRoute) -> None:
    """Body, examples, problems and the need of a key of one call."""
    kinds = [_BY_NAME[name] for name in operation.pop(_PROBLEMS, [])]
    takes = operation.pop(_TAKES, None)
    if takes is not None:
        operation["requestBody"] = _body(_TAKEN[takes])
    example = EXAMPLES.get(route.response_model) if route.response_model else None
    responses = operation["responses"]
    responses.pop("422", None)
    for response in responses.values():
        for content in response.get("content", {}).values():
            if example is not None:
                content["example"] = example
    for kind in kinds:
        response = responses.setdefault(str(kind.status), _problem_response())
        examples = response["content"][MEDIA_TYPE]["examples"]
        examples[kind.name] = {"summary": kind.title, "value": example_of(kind)}
    if ALWAYS[0] in kinds:
        operation["security"] = [{"key": []}]


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """A body as JSON and, where it holds pictures, as a form with files."""
    name = model.__name__
    content = {
        "application/json": {
            "schema": {"$ref": f"#/components/schemas/{name}"},
            "example": EXAMPLES[model],
        }
    }
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    properties = {field: _as_file(content_) for field, content_ in schema["properties"].items()}
    if any("image" in field for field in properties):
        form = {key: value for key, value in schema.items() if key != "$defs"}
        content["multipart/form-data"] = {
            "schema": {**form, "title": f"{name}Form", "properties": properties}
        }
    return {"required": True, "content": content}


def _as_file(schema: dict[str, Any]) -> dict[str, Any]:
    """A field of a form: pictures are files there, nothing is null, lists may have one entry."""
    if schema.get("format") == schemas.IMAGE_SCHEMA["format"]:
        words = schema["description"].removesuffix(", base64.") + "."
        return {"type": "string", "format": "signature-file", "description": words}
    if "items" in schema:
        return {**schema, "items": _as_file(schema["items"])}
    choices = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    if choices:
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        return {**rest, **choices[0]}
    return schema


def _schemas() -> dict[str, Any]:
    """The schemas of the bodies, which FastAPI doesn't know, and of problems."""
    found: dict[str, Any] = {}
    models: list[type[BaseModel]] = [schemas.Problem]
    models += _TAKEN.values()
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[model.__name__] = schema
    return found


def example_of(kind: Kind) -> dict[str, Any]:
    """A problem of a kind."""
    return errors.Problem(kind, f"{kind.title}.").document("3f2504e04f8911d39a0c0305e82c3301")


def _problem_response() -> dict[str, Any]:
    return {
        "description": "What went wrong, and what to do.",
        "content": {
            MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
        },
    }
