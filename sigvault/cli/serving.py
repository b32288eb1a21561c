"""``serve``: the vault over HTTP, with pages for people where they are installed."""

from __future__ import annotations

import ipaddress
import os
import signal
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from sigvault.api.limits import ServiceLimits
    from sigvault.cli.session import Session
    from sigvault.settings import Settings
    from sigvault.vault import Vault

_PAGES = "sigvault.web.app"


def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="The address to listen at; beyond this computer only with keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    max_body_mb: Annotated[
        float, typer.Option(min=0.001, help="The largest request, in MiB.")
    ] = 16.0,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="The largest image, width times height in pixels.")
    ] = 20_000_000,
    per_minute: Annotated[
        int, typer.Option(min=1, help="Requests of one key in a minute at most.")
    ] = 6000,
    waiting: Annotated[
        int, typer.Option(min=0, help="Requests that may wait for their turn; others get 503.")
    ] = 64,
    grace: Annotated[
        int, typer.Option(min=1, help="Seconds that requests under way get when it is stopped.")
    ] = 60,
    traces: Annotated[
        bool,
        typer.Option(
            "--traces",
            help="Send OpenTelemetry spans by OTLP, as OTEL_EXPORTER_OTLP_ENDPOINT says.",
        ),
    ] = False,
) -> ExitCode:
    """Answer requests over HTTP until stopped (Ctrl-C or SIGTERM), in one process.

    Everything but /health takes a key (`sigvault key create`); while the vault has none, this
    computer alone may ask, without. The service speaks plain HTTP: put a proxy that speaks TLS in
    front of it. It logs JSON lines to stderr; GET /openapi.json describes it, GET /metrics is for
    Prometheus.
    """
    from sigvault.api.limits import ServiceLimits

    session: Session = context.obj
    limits = ServiceLimits(
        body_bytes=int(max_body_mb * 2**20),
        pixels=max_pixels,
        per_minute=per_minute,
        waiting=waiting,
    )
    _run(session, (host, port), limits, grace, traces=traces)
    return ExitCode.DONE


def _run(
    session: Session,
    address: tuple[str, int],
    limits: ServiceLimits,
    grace: int,
    *,
    traces: bool,
) -> None:
    """Open the vault, serve it until stopped, and close it."""
    import uvicorn

    from sigvault.api.app import create_api
    from sigvault.api.logs import write_json_logs
    from sigvault.api.metrics import ServiceMetrics
    from sigvault.api.traces import exporting, traced_stages
    from sigvault.bootstrap import Serving, open_vault
    from sigvault.embedding.batching import EmbeddingWorker
    from sigvault.embedding.torch_embedder import CoreShare
    from sigvault.imaging.decode import DecodeLimits

    settings = session.settings()
    metrics = ServiceMetrics()
    provider = exporting() if traces else None
    observe = traced_stages(provider, metrics.observe_stage) if provider else metrics.observe_stage
    worker = EmbeddingWorker(observe=metrics.batches.observe, share=CoreShare(settings.threads))
    metrics.watch(
        "sigvault_embedding_queue_images", "Images that wait to be embedded.", lambda: worker.depth
    )
    serving = Serving(
        worker=worker,
        decoders=os.cpu_count() or 1,
        limits=DecodeLimits(max_bytes=limits.body_bytes, max_pixels=limits.pixels),
        observe=observe,
    )
    with open_vault(settings, embedder=session.embedder, serving=serving) as vault:
        keyless = may_go_without_keys(vault, address[0])
        app = create_api(
            vault, limits=limits, metrics=metrics, open_to_loopback=keyless, traces=provider
        )
        _add_pages(app, vault, settings, keyless=keyless)
        write_json_logs()
        config = uvicorn.Config(
            app,
            host=address[0],
            port=address[1],
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=grace,
        )
        for each in (signal.SIGINT, signal.SIGTERM):
            # uvicorn stops on them, and sends them again when all is finished: that is no failure.
            signal.signal(each, lambda _number, _frame: None)
        try:
            uvicorn.Server(config).run()
        finally:
            worker.close()
            if provider is not None:
                provider.shutdown()


def may_go_without_keys(vault: Vault, host: str) -> bool:
    """Whether no key is needed: only while there is none, and only for this computer.

    Raises:
        ConfigurationError: If others could ask, and no key keeps them out.
    """
    from datetime import UTC, datetime

    now, keys = datetime.now(UTC), vault.keys()
    if any(key.is_valid(now) for key in keys):
        return False
    if not is_loopback(host):
        raise ConfigurationError(
            f"{host} can be reached from outside, and the vault has no keys: make one with "
            "`sigvault key create NAME --role ...`, or listen at 127.0.0.1"
        )
    return True


def is_loopback(host: str) -> bool:
    """Whether nobody but this computer reaches an address; a name other than localhost doesn't."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _add_pages(app: FastAPI, vault: Vault, settings: Settings, *, keyless: bool) -> None:
    """The pages for people at ``/``, where this installation has them."""
    if find_spec("sigvault.web") is None or find_spec(_PAGES) is None:
        return
    pages: Any = import_module(_PAGES)
    options: Any = import_module("sigvault.web.page_settings")
    chosen = options.PageSettings(reviewers=settings.reviewers, open_without_keys=keyless)
    app.mount("/", pages.create_pages(vault, chosen))
