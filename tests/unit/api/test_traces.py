"""Spans tell how long what took, and nothing about people."""

from __future__ import annotations

import shutil
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.testclient import TestClient

from fakes import FakeEmbedder, draw_signature
from sigvault.api.app import create_api
from sigvault.api.traces import exporting, traced_stages
from sigvault.bootstrap import Serving, open_vault
from sigvault.domain.errors import ConfigurationError
from sigvault.embedding.batching import EmbeddingWorker
from sigvault.imaging.decode import DecodeLimits
from sigvault.settings import Settings

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def told():
    return []


@pytest.fixture
def client(template, tmp_path, spans, told):
    shutil.copytree(template, tmp_path / "vault")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    observe = traced_stages(provider, lambda stage, _: told.append(stage))
    worker = EmbeddingWorker()
    serving = Serving(worker=worker, decoders=1, limits=DecodeLimits(), observe=observe)
    settings = Settings(tmp_path / "vault", by="tester")
    with open_vault(settings, embedder=FakeEmbedder(), serving=serving) as served:
        app = create_api(served, open_to_loopback=True, traces=provider)
        with TestClient(app, base_url="http://127.0.0.1") as client:
            yield client
    worker.close()


def test_a_verification_is_a_span_with_its_stages_below(client, spans, told):
    image = {"image": ("p.png", draw_signature(53, 9))}
    answer = client.post(
        "/v1/signers/cheques%2F53/verify", files=image, headers={"traceparent": CALLER}
    )
    assert answer.status_code == 200
    found = {span.name: span for span in spans.get_finished_spans()}
    asked = found["POST /v1/signers/{signer}/verify"]
    assert asked.kind is SpanKind.SERVER
    assert f"{asked.context.trace_id:032x}" == CALLER.split("-")[1]
    assert f"{asked.parent.span_id:016x}" == CALLER.split("-")[2]
    assert asked.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/signers/{signer}/verify",
        "http.response.status_code": 200,
        "sigvault.request_id": answer.headers["x-request-id"],
    }
    stages = {"read", "prepare", "embed", "compare", "record"}
    assert stages <= set(found)
    assert stages == set(told)
    for stage in stages:
        assert found[stage].parent.span_id == asked.context.span_id
        assert asked.start_time <= found[stage].start_time <= found[stage].end_time
    assert "cheques" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_the_stages_of_several_probes_lie_below_their_request(client, spans):
    files = [("images", draw_signature(1, 90 + number)) for number in range(6)]
    answer = client.post("/v1/verifications", files=files, data={"signers": ["1"] * 6})
    assert answer.json()["decided"] == 6
    *stages, asked = spans.get_finished_spans()
    assert asked.name == "POST /v1/verifications"
    assert sum(span.name == "embed" for span in stages) >= 6
    assert {span.parent and span.parent.span_id for span in stages} == {asked.context.span_id}


def test_a_path_that_nobody_knows_is_not_told(client, spans):
    client.get("/v1/anna/miller")
    (span,) = spans.get_finished_spans()
    assert span.name == "GET other"
    assert span.status.status_code is StatusCode.UNSET


def test_what_goes_wrong_is_marked_without_its_message(client, spans, monkeypatch):
    def break_(*_, **__):
        raise RuntimeError("anna miller")

    monkeypatch.setattr("sigvault.vault.Vault.signers", break_)
    assert client.get("/v1/signers").status_code == 500
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert "miller" not in span.to_json()


def test_spans_are_sent_under_the_services_name(monkeypatch):
    provider = exporting()
    assert provider.resource.attributes["service.name"] == "sigvault"
    provider.shutdown()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "counter-3")
    renamed = exporting()
    assert renamed.resource.attributes["service.name"] == "counter-3"
    renamed.shutdown()


def test_without_the_packages_it_is_said_how_to_get_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigurationError, match=r"sigvault\[traces\]"):
        exporting()
