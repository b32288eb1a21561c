"""The pages as an ASGI application; they ask the vault and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sigvault.vault import Vault
from sigvault.web.endpoints import Handler, error_page, page
from sigvault.web.headers import BodyLimit, Headers
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


@dataclass(frozen=True)
class _Page:
    """A page, or what a form on it does.

    Attributes:
        path: its address.
        handler: its function.
        right: what it takes; None for anybody.
        method: GET for looking, POST for doing.
    """

    path: str
    handler: Handler
    right: Right | None
    method: str = "GET"


_PAGES = (
    _Page("/", entry.enter, None),
    _Page("/sign-in", entry.ask_for_key, None),
    _Page("/sign-in", entry.sign_in, None, "POST"),
    _Page("/sign-out", entry.sign_out, None, "POST"),
    _Page("/queue", queue.show_queue, Right.SEE_CASES),
    _Page("/blind", cases.turn_blind, Right.DECIDE, "POST"),
    _Page("/cases/{event:int}", cases.show_case, Right.SEE_CASES),
    _Page("/cases/{event:int}", cases.decide_case, Right.DECIDE, "POST"),
    _Page("/pictures/reference", pictures.show_reference, Right.SEE_SIGNERS),
    _Page("/pictures/probe", pictures.show_probe, Right.SEE_CASES),
    _Page("/verify", verifying.ask_to_verify, Right.VERIFY),
    _Page("/verify", verifying.verify, Right.VERIFY, "POST"),
    _Page("/identify", verifying.ask_to_identify, Right.VERIFY),
    _Page("/identify", verifying.identify, Right.VERIFY, "POST"),
    _Page("/signers", signers.list_signers, Right.SEE_SIGNERS),
    _Page("/signers/show", signers.show_signer, Right.SEE_SIGNERS),
    _Page("/signers/erase", signers.erase_signer, Right.ERASE, "POST"),
    _Page("/enroll", enrolling.ask_to_enroll, Right.ENROLL),
    _Page("/enroll", enrolling.enroll, Right.ENROLL, "POST"),
    _Page("/audit", audit.show_log, Right.SEE_AUDIT),
    _Page("/audit", audit.check_log, Right.SEE_AUDIT, "POST"),
    _Page("/thresholds", thresholds.show_thresholds, Right.SEE_THRESHOLDS),
    _Page("/generations", generations.show_generations, Right.SEE_THRESHOLDS),
    _Page("/generations/activate", generations.activate, Right.CHANGE_GENERATIONS, "POST"),
    _Page("/generations/rollback", generations.roll_back, Right.CHANGE_GENERATIONS, "POST"),
    _Page("/generations/drop", generations.drop, Right.CHANGE_GENERATIONS, "POST"),
)


def create_pages(vault: Vault, settings: PageSettings | None = None) -> Starlette:
    """The pages over a vault, which whoever calls closes.

    Args:
        vault: what they ask.
        settings: how they are served; the defaults if None.
    """
    settings = settings or PageSettings()
    compile_templates()
    desk = Desk(vault, settings, Pictures(), SeenCases())
    routes = [
        Route(each.path, page(desk, each.handler, each.right), methods=[each.method])
        for each in _PAGES
    ]

    async def lost(request: Request, error: Exception) -> Response:
        """An address that leads nowhere, or a request that came in the wrong way."""
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette looks handlers up by class
        return error_page(Visit(desk, request, Session(), None), error)

    return Starlette(
        routes=[*routes, Route("/static/{name}", _serve_static)],
        middleware=[Middleware(Headers), Middleware(BodyLimit, most=settings.most_upload)],
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
