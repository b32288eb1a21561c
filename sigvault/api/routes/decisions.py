"""Verification (1:1), one or many, and identification (1:N)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from starlette.requests import Request

from sigvault.api import answers, schemas
from sigvault.api.callers import Caller
from sigvault.api.dependencies import ServiceParameter, SignerPath, allow
from sigvault.api.errors import problem_of
from sigvault.api.logs import log
from sigvault.api.openapi import told
from sigvault.api.service import Service, json_answer
from sigvault.domain.access import Role
from sigvault.domain.aims import Aim
from sigvault.domain.errors import (
    EmptyGallery,
    FailureToAcquire,
    ImageError,
    ImageTooLarge,
    NotCalibrated,
    SigvaultError,
    UnknownSigner,
    UnsupportedAim,
)
from sigvault.domain.verdicts import KeepProbes

router = APIRouter(tags=["decisions"])
Verifying = Annotated[Caller, allow(Role.VERIFIER)]
_OF_PROBES = (ImageError, ImageTooLarge, FailureToAcquire, EmptyGallery, NotCalibrated)


@router.post(
    "/v1/signers/{signer}/verify",
    **told(
        schemas.Verification,
        *_OF_PROBES,
        UnknownSigner,
        UnsupportedAim,
        takes=schemas.VerificationRequest,
    ),
)
async def verify(
    request: Request, signer: SignerPath, caller: Verifying, service: ServiceParameter
) -> Response:
    """Decide whether a signature is the claimed signer's; the decision is recorded."""

    def work(asked: schemas.VerificationRequest) -> Response:
        claim = signer, asked.image
        with service.metrics.collecting() as stages:
            found = _verify(service, caller, claim, asked.read_aim(), asked.keep_probe)
        answer = json_answer(found)
        answer.headers["Server-Timing"] = ", ".join(
            f"{stage};dur={1000 * seconds:.3f}" for stage, seconds in stages
        )
        return answer

    return await service.with_body(request, service.deciding, schemas.VerificationRequest, work)


@router.post(
    "/v1/verifications",
    **told(schemas.BulkVerification, takes=schemas.BulkVerificationRequest),
)
async def verify_many(request: Request, caller: Verifying, service: ServiceParameter) -> Response:
    """Decide about several signatures; one that can't be decided about doesn't stop the others."""

    def work(asked: schemas.BulkVerificationRequest) -> Response:
        def one(numbered: tuple[int, tuple[str, bytes]]) -> schemas.VerificationResult:
            place, claim = numbered
            try:
                found = _verify(service, caller, claim, asked.read_aim(), asked.keep_probe)
            except Exception as error:  # whatever it is, the others' decisions are recorded
                _log_failure(request, error)
                return answers.verification_failure(caller, place, claim[0], error)
            return schemas.VerificationResult(
                image=place, signer=claim[0], verification=found, error=None, message=""
            )

        claims = zip(asked.signers, asked.images, strict=True)
        results = service.together(one, enumerate(claims, start=1))
        failed = sum(result.error is not None for result in results)
        return json_answer(
            schemas.BulkVerification(decided=len(results) - failed, failed=failed, results=results)
        )

    return await service.with_body(request, service.deciding, schemas.BulkVerificationRequest, work)


@router.post(
    "/v1/identify",
    **told(schemas.Identification, *_OF_PROBES, takes=schemas.IdentificationRequest),
)
async def identify(request: Request, caller: Verifying, service: ServiceParameter) -> Response:
    """Find the signers whose references a signature is most like; the search is recorded."""

    def work(asked: schemas.IdentificationRequest) -> Response:
        found = service.vault.identify(
            asked.image,
            top=asked.top,
            fpir=asked.fpir,
            by=caller.name,
            namespace=caller.namespace,
        )
        return json_answer(answers.identification(caller, found))

    return await service.with_body(request, service.deciding, schemas.IdentificationRequest, work)


def _log_failure(request: Request, error: Exception) -> None:
    """Write down what nobody but the operator learns of."""
    if not isinstance(error, SigvaultError) or problem_of(error).kind.status >= 500:
        log("failed", error=error, request_id=request.state.request_id)


def _verify(
    service: Service,
    caller: Caller,
    claim: tuple[str, bytes],
    aim: Aim | None,
    keep: KeepProbes | None,
) -> schemas.Verification:
    """Verify a probe against the signer that it claims."""
    signer, image = claim
    found = service.vault.verify(
        caller.inside(signer), image, by=caller.name, aim=aim, keep_probe=keep
    )
    service.metrics.observe_decision(found.evidence)
    return answers.verification(caller, found.event, found.evidence)
