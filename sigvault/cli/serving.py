"""``serve``: the vault over HTTP, with pages for people where they are installed."""

from __future__ import annotations

import errno
import ipaddress
import os
import signal
import socket
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.domain.errors import ConfigurationError

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from sigvault.api.limits import ServiceLimits
    from sigvault.cli.session import Session
    from sigvault.domain.ports import Embedder
    from sigvault.settings import Settings
    from sigvault.vault import Vault

_PAGES = "sigvault.web.app"

_SESSIONS_FILE = "session-secret"
"""The file in the vault's folder with what signs the sessions of the pages."""


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
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="The address or network of a proxy that is believed about where a request comes "
            "from, and whether by TLS; may be repeated. SIGVAULT_TRUSTED_PROXIES otherwise."
        ),
    ] = None,
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
    front of it, and name that by --trusted-proxy unless it runs on this computer. The service logs
    JSON lines to stderr; GET /openapi.json describes it, GET /metrics is for Prometheus.
    """
    from sigvault.api.limits import ServiceLimits

    check_port(host, port)
    session: Session = context.obj
    settings = session.settings()
    if trusted_proxy:
        settings = replace(settings, trusted_proxies=tuple(trusted_proxy))
    limits = ServiceLimits(
        body_bytes=int(max_body_mb * 2**20),
        pixels=max_pixels,
        per_minute=per_minute,
        waiting=waiting,
    )
    _run(settings, session.embedder, limits, _Listening(host, port, grace), traces=traces)
    return ExitCode.DONE


@dataclass(frozen=True)
class _Listening:
    """Where the service listens.

    Attributes:
        host: the address.
        port: the port; 0 for any that is free.
        grace: seconds that requests under way get when it is stopped.
    """

    host: str
    port: int
    grace: int


def _run(
    settings: Settings,
    embedder: Embedder | None,
    limits: ServiceLimits,
    at: _Listening,
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
    with open_vault(settings, embedder=embedder, serving=serving) as vault:
        keyless = may_go_without_keys(vault, at.host)
        app = create_api(
            vault, limits=limits, metrics=metrics, open_to_loopback=keyless, traces=provider
        )
        add_pages(app, vault, settings, limits, keyless=keyless)
        write_json_logs()
        config = configure_server(app, at.host, at.port, at.grace, settings.trusted_proxies)
        for each in (signal.SIGINT, signal.SIGTERM):
            # uvicorn stops on them, and sends them again when all is finished: that is no failure.
            signal.signal(each, lambda _number, _frame: None)
        try:
            uvicorn.Server(config).run()
        except SystemExit:  # uvicorn's way to say no; its code would pass for a decision
            raise ConfigurationError(
                f"the service couldn't start at {at.host}, port {at.port}: see the lines before"
            ) from None
        finally:
            worker.close()
            if provider is not None:
                provider.shutdown()


def check_port(host: str, port: int) -> None:
    """Find out, before anything is loaded, that a service could not listen there.

    Raises:
        ConfigurationError: If it could not.
    """
    passive = socket.AI_PASSIVE
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=passive)
    except OSError as error:
        raise ConfigurationError(f"{host} is no address ({error}): give another --host") from None
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
                probe.listen()
        except OSError as error:
            raise _not_to_be_had(error, host, port) from None


def _not_to_be_had(error: OSError, host: str, port: int) -> ConfigurationError:
    """Why an address can't be listened at, and what to give instead."""
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(f"port {port} is taken: give another --port")
    if error.errno == errno.EACCES:
        return ConfigurationError(f"port {port} is not permitted: give a --port from 1024")
    return ConfigurationError(f"nothing can listen at {host}, port {port} ({error.strerror})")


def configure_server(
    app: FastAPI, host: str, port: int, grace: int, trusted_proxies: tuple[str, ...]
) -> uvicorn.Config:
    """How uvicorn serves: it believes the trusted proxies, and those on this computer."""
    import uvicorn

    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace,
        forwarded_allow_ips=["127.0.0.1", "::1", *trusted_proxies],
    )


def may_go_without_keys(vault: Vault, host: str) -> bool:
    """Whether no key is needed: only while none was ever made, and only for this computer.

    Raises:
        ConfigurationError: If others could ask, and no key keeps them out.
    """
    if vault.keys():
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


def add_pages(
    app: FastAPI, vault: Vault, settings: Settings, limits: ServiceLimits, *, keyless: bool
) -> None:
    """The pages for people at ``/``, where this installation has them.

    Raises:
        ConfigurationError: If the secret of their sessions can't be kept in the vault's folder.
    """
    if find_spec("sigvault.web") is None or find_spec(_PAGES) is None:
        return
    pages: Any = import_module(_PAGES)
    options: Any = import_module("sigvault.web.page_settings")
    kept: Any = import_module("sigvault.web.session_secret")
    chosen = options.PageSettings(
        secret=kept.kept_secret(settings.vault / _SESSIONS_FILE),
        reviewers=settings.reviewers,
        most_upload=limits.body_bytes,
        form_seconds=limits.body_seconds,
        trusted_proxies=settings.trusted_proxies,
        open_without_keys=keyless,
    )
    app.mount("/", pages.create_pages(vault, chosen))
