"""Traces for OpenTelemetry: a span for each request, and one for each stage of a decision.

Optional (``pip install sigvault[traces]``). Spans hold a route's pattern, a status and a request's
id: neither paths, which name signers, nor anything of a signature.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sigvault.api.middleware import route_of
from sigvault.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider as ExportingProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

Observe = Callable[[str, float], None]


def exporting() -> ExportingProvider:
    """A provider that sends spans by OTLP over HTTP, as the variables ``OTEL_*`` say where.

    Raises:
        ConfigurationError: If the packages for it are missing.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider as SdkProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            "traces need packages that are not installed: pip install 'sigvault[traces]', "
            "or serve without --traces"
        ) from error
    name = OTELResourceDetector().detect().attributes.get(SERVICE_NAME, "sigvault")
    provider = SdkProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class TracedRequests:
    """A span around each request; it goes on with the caller's trace where there is one."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        """Take what it wraps."""
        self._app = app
        self._tracer = provider.get_tracer("sigvault")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with _request_span(self._tracer, scope) as span:
            try:
                await self._app(scope, receive, send_and_see)
            finally:
                route = route_of(scope)
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                span.set_attribute("sigvault.request_id", scope["state"]["request_id"])
                _mark_failure(span, status)


@contextmanager
def _request_span(tracer: Tracer, scope: Scope) -> Iterator[Span]:
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    with tracer.start_as_current_span(
        scope["method"],
        context=extract(headers),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": scope["method"]},
        record_exception=False,  # messages of errors may name people
        set_status_on_exception=False,
    ) as span:
        yield span


def _mark_failure(span: Span, status: int) -> None:
    from opentelemetry.trace import StatusCode

    if status == 0 or status >= 500:
        span.set_status(StatusCode.ERROR)


def traced_stages(provider: TracerProvider, observe: Observe) -> Observe:
    """An observer of stages that makes a span of each, too, below the request's own.

    Args:
        provider: whose spans.
        observe: who is told besides.
    """
    tracer = provider.get_tracer("sigvault")

    def tell(stage: str, seconds: float) -> None:
        observe(stage, seconds)
        ended = time.time_ns()
        span = tracer.start_span(stage, start_time=ended - round(seconds * 1e9))
        span.end(ended)

    return tell
