"""The pages as an ASGI application; they ask the vault and nothing else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sigvault.vault import Vault
from sigvault.web.endpoints import Page, error_page, serve_page
from sigvault.web.headers import Headers
from sigvault.web.page_settings import PageSettings
from sigvault.web.pages import (
    audit,
    cases,
    enrolling,
    entry,
    generations,
    pictures,
    queue,
    signers,
    thresholds,
    verifying,
)
from sigvault.web.pictures import Pictures
from sigvault.web.rendering import REPORT, compile_templates, read_static
from sigvault.web.rights import Right
from sigvault.web.seen_cases import SeenCases
from sigvault.web.sessions import Session
from sigvault.web.visits import Desk, Visit

_PAGES = (
    Page("/", entry.enter, None),
    Page("/sign-in", entry.ask_for_key, None),
    Page("/sign-in", entry.sign_in, None, "POST"),
    Page("/sign-out", entry.sign_out, None, "POST"),
    Page("/queue", queue.show_queue, Right.SEE_CASES),
    Page("/blind", cases.turn_blind, Right.DECIDE, "POST", form_at="/queue"),
    Page("/cases/{event:event}", cases.show_case, Right.SEE_CASES),
    Page(
        "/cases/{event:event}",
        cases.decide_case,
        Right.DECIDE,
        "POST",
        anew=cases.show_case_anew,
    ),
    Page("/pictures/reference", pictures.show_reference, Right.SEE_SIGNERS),
    Page("/pictures/probe", pictures.show_probe, Right.SEE_CASES),
    Page("/verify", verifying.ask_to_verify, Right.VERIFY),
    Page("/verify", verifying.verify, Right.VERIFY, "POST"),
    Page("/identify", verifying.ask_to_identify, Right.VERIFY),
    Page("/identify", verifying.identify, Right.VERIFY, "POST"),
    Page("/signers", signers.list_signers, Right.SEE_SIGNERS),
    Page("/signers/show", signers.show_signer, Right.SEE_SIGNERS),
    Page("/signers/erase", signers.erase_signer, Right.ERASE, "POST", form_at="/signers/show"),
    Page(
        "/signers/erase-reference",
        signers.erase_reference,
        Right.ERASE,
        "POST",
        form_at="/signers/show",
    ),
    Page("/enroll", enrolling.ask_to_enroll, Right.ENROLL),
    Page("/enroll", enrolling.enroll, Right.ENROLL, "POST"),
    Page("/audit", audit.show_log, Right.SEE_AUDIT),
    Page("/audit", audit.check_log, Right.SEE_AUDIT, "POST"),
    Page("/thresholds", thresholds.show_thresholds, Right.SEE_THRESHOLDS),
    Page("/generations", generations.show_generations, Right.SEE_THRESHOLDS),
    Page(
        "/generations/activate",
        generations.activate,
        Right.CHANGE_GENERATIONS,
        "POST",
        form_at="/generations",
    ),
    Page(
        "/generations/rollback",
        generations.roll_back,
        Right.CHANGE_GENERATIONS,
        "POST",
        form_at="/generations",
    ),
    Page(
        "/generations/drop",
        generations.drop,
        Right.CHANGE_GENERATIONS,
        "POST",
        form_at="/generations",
    ),
)


class _EventConvertor(Convertor[int]):
    """The number of an event in an address; Starlette's own takes digits that no int is made of."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        """See Convertor."""
        return int(value)

    def to_string(self, value: int) -> str:
        """See Convertor."""
        return str(value)


def create_pages(vault: Vault, settings: PageSettings | None = None) -> Starlette:
    """The pages over a vault, which whoever calls closes.

    Args:
        vault: what they ask.
        settings: how they are served; the defaults if None.
    """
    settings = settings or PageSettings()
    compile_templates()
    desk = Desk(vault, settings, Pictures(), SeenCases())
    register_url_convertor("event", _EventConvertor())
    routes = [Route(each.path, serve_page(desk, each), methods=[each.method]) for each in _PAGES]

    async def lost(request: Request, error: Exception) -> Response:
        """An address that leads nowhere, or a request that came in the wrong way."""
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette looks handlers up by class
        return error_page(Visit(desk, request, Session(), None), error)

    return Starlette(
        routes=[*routes, Route("/static/{name}", _serve_static)],
        middleware=[Middleware(Headers)],
        exception_handlers={HTTPException: lost},
    )


_KINDS = {"css": "text/css", "js": "text/javascript", "txt": "text/plain", "svg": "image/svg+xml"}


async def _serve_static(request: Request) -> Response:
    """A file of our own; its address changes with its content, so browsers may keep it."""
    name = request.path_params["name"]
    content = _static_files().get(name)
    if content is None:
        raise HTTPException(404, "There is no such file.")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, media_type=_KINDS[name.rpartition(".")[2]], headers=headers)


@cache
def _static_files() -> dict[str, bytes]:
    folder = files("sigvault.web").joinpath("static")
    found = [each for each in folder.iterdir() if each.name.rpartition(".")[2] in _KINDS]
    return {each.name: read_static(each.name) for each in found} | {REPORT: read_static(REPORT)}
