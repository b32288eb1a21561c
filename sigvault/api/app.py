"""Making the service's app; `sigvault serve` runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match

from sigvault.api.bodies import invalid
from sigvault.api.callers import Caller
from sigvault.api.dependencies import ANYBODY, ServiceParameter, allow
from sigvault.api.errors import NO_SUCH_METHOD, NO_SUCH_PATH, Problem, problem_of
from sigvault.api.limits import ServiceLimits
from sigvault.api.logs import log
from sigvault.api.metrics import ServiceMetrics
from sigvault.api.middleware import RequestScope, problem_response
from sigvault.api.openapi import describe
from sigvault.api.routes import decisions, references, reviews, signers, vaults
from sigvault.api.service import Service
from sigvault.api.traces import TracedRequests
from sigvault.domain.errors import SigvaultError
from sigvault.vault import Vault

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_ROUTERS = (
    signers.router,
    references.router,
    decisions.router,
    reviews.router,
    vaults.router,
    vaults.health,
)
CALLS = [route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)]
"""Every call of the service."""

_DESCRIPTION = "/openapi.json"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]


def create_api(
    vault: Vault,
    *,
    limits: ServiceLimits | None = None,
    metrics: ServiceMetrics | None = None,
    open_to_loopback: bool = False,
    traces: TracerProvider | None = None,
) -> FastAPI:
    """Make the app of a vault; it loads the model when it starts.

    Args:
        vault: the vault, opened for serving; whoever opened it closes it.
        limits: what a caller may cost; the defaults if None.
        metrics: where the vault's stages are told, too; new ones if None.
        open_to_loopback: whether no key is needed while the vault has none. Only for a service
            that nobody but this computer reaches; what pages of somebody else's or proxies ask is
            refused then.
        traces: where a span of each request goes; nowhere if None.
    """
    metrics = metrics or ServiceMetrics()
    service = Service(vault, limits or ServiceLimits(), metrics, open_to_loopback=open_to_loopback)
    app = FastAPI(
        title="sigvault",
        openapi_url=None,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.service = service
    app.openapi = lambda: describe(app, CALLS)  # type: ignore[method-assign]
    for router in _ROUTERS:
        app.include_router(router)
    _add_description(app)
    _add_refusals(app)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(SigvaultError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_middleware(RequestScope, metrics=metrics)
    if traces is not None:
        app.add_middleware(TracedRequests, provider=traces)
    _watch(service)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    loading = asyncio.get_running_loop().run_in_executor(None, service.start)
    loading.add_done_callback(_tell_loading)
    yield
    await asyncio.wait([loading])
    await asyncio.get_running_loop().run_in_executor(None, service.stop)
    log("stopped")


def _tell_loading(loading: asyncio.Future[None]) -> None:
    error = loading.exception()
    if error is None:
        log("ready")
    else:
        log("not ready", error=error)


def _add_description(app: FastAPI) -> None:
    """``/openapi.json``, for keys alone as all else."""

    @app.get(_DESCRIPTION, include_in_schema=False)
    async def openapi(_: Caller = allow(*ANYBODY)) -> dict[str, object]:  # noqa: B008
        return app.openapi()


def _add_refusals(app: FastAPI) -> None:
    """What the service answers at its own paths to what no call takes.

    Left to the router, such requests would be answered by what is mounted at ``/``: the pages.
    """
    for route in vaults.health.routes:
        if isinstance(route, APIRoute):  # balancers ask so, too
            app.add_api_route(route.path, route.endpoint, methods=["HEAD"], include_in_schema=False)

    async def refuse(request: Request) -> Response:
        raise _no_such(request)

    for path in sorted({route.path for route in CALLS} | {_DESCRIPTION}):
        if not path.startswith("/v1/"):
            app.add_api_route(path, refuse, methods=_METHODS, include_in_schema=False)

    @app.api_route("/v1/{rest:path}", methods=_METHODS, include_in_schema=False)
    async def nothing(request: Request, service: ServiceParameter) -> Response:
        await service.recognise(request)
        raise _no_such(request)


def _no_such(request: Request) -> Problem:
    """No such path, or no such method on it."""
    allowed = {"GET"} if request.scope["path"] == _DESCRIPTION else set()
    for route in CALLS:
        match, _ = route.matches(request.scope)
        if match is Match.PARTIAL:
            allowed |= route.methods or set()
            if route in vaults.health.routes:
                allowed.add("HEAD")
    if not allowed:
        return Problem(NO_SUCH_PATH, "there is nothing at this path")
    names = ", ".join(sorted(allowed))
    return Problem(NO_SUCH_METHOD, f"the path takes {names}", headers={"Allow": names})


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - as it was registered
    return problem_response(error, request.state.request_id)


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SigvaultError)  # noqa: S101 - as it was registered
    caller: Caller | None = getattr(request.state, "caller", None)
    problem = problem_of(error, None if caller is None else caller.naming)
    if problem.kind.status >= 500:
        log("failed", error=error, request_id=request.state.request_id)
    return problem_response(problem, request.state.request_id)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as it was registered
    return problem_response(invalid(list(error.errors())), request.state.request_id)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as it was registered
    problem = _no_such(request)
    return problem_response(problem, request.state.request_id)


def _watch(service: Service) -> None:
    """Values that are read when Prometheus asks."""
    vault, metrics = service.vault, service.metrics

    def generation() -> float:
        return float(vault.readiness().generation.id)

    def lag() -> float:
        behind = vault.readiness().index_lag
        return float("nan") if behind is None else float(behind)

    metrics.watch("sigvault_generation", "The generation that decides.", generation)
    metrics.watch(
        "sigvault_index_lag_changes",
        "Changes of the database that the open index doesn't hold yet; the next search applies "
        "them.",
        lag,
    )

    def thresholds() -> tuple[int, tuple[object, ...]]:
        active = vault.readiness().generation
        return active.id, active.thresholds

    metrics.drift.thresholds = thresholds  # type: ignore[assignment]
