from __future__ import annotations

import re
from dataclasses import replace

import pytest
from service_answers import PROBE

from fakes import make_threshold, with_points
from sigvault.api import schemas
from sigvault.api.app import CALLS
from sigvault.api.errors import KINDS
from sigvault.api.metrics import ScoreDrift, drift
from sigvault.api.openapi import EXAMPLES
from sigvault.domain import errors
from sigvault.domain.comparison import OperatingPoint, Rate


@pytest.fixture
def described(client):
    return client.get("/openapi.json").json()


def test_it_is_openapi_3_1_with_every_call(described):
    assert described["openapi"] == "3.1.0"
    there = {(method, path) for path, calls in described["paths"].items() for method in calls}
    assert there == {(method.lower(), call.path) for call in CALLS for method in call.methods}


def test_every_call_has_examples_and_declares_its_errors(described):
    for path, calls in described["paths"].items():
        for method, call in calls.items():
            where = f"{method} {path}"
            for content in call.get("requestBody", {}).get("content", {}).values():
                assert "example" in content or content["schema"]["title"].endswith("Form"), where
            for status, answer in call["responses"].items():
                if int(status) >= 400:
                    (media,) = answer["content"]
                    assert media == "application/problem+json", where
                    found = answer["content"][media]["examples"]
                    assert {one["value"]["status"] for one in found.values()} == {int(status)}
                elif "application/json" in answer["content"]:
                    assert "example" in answer["content"]["application/json"], where
            if not path.startswith("/health"):
                assert call["security"] == [{"key": []}], where
                assert {"401", "403", "422", "429", "500", "503"} <= set(call["responses"]), where


def test_every_reference_leads_somewhere(described):
    known = set(described["components"]["schemas"])
    for name in re.findall(r'"#/components/schemas/([^"]+)"', str(described).replace("'", '"')):
        assert name in known, name


@pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: model.__name__)
def test_examples_are_what_they_are_examples_of(model):
    model.model_validate(EXAMPLES[model])


def test_every_error_has_a_kind_of_problem():
    raised = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.SigvaultError)
    ]
    assert all(any(parent in KINDS for parent in one.__mro__) for one in raised)
    names = [kind.name for kind in KINDS.values()]
    assert len(names) == len(set(names))


def test_metrics_tell_what_happened(client):
    for _ in range(2):
        client.post("/v1/signers/1/verify", files={"image": PROBE})
    client.post("/v1/identify", files={"image": PROBE})
    client.get("/v1/signers/nobody")
    text = client.get("/metrics").text
    requests = "sigvault_requests_total"
    for line in (
        'sigvault_decisions_total{decision="accept"} 2.0',
        f'{requests}{{method="POST",route="/v1/signers/{{signer}}/verify",status="200"}} 2.0',
        f'{requests}{{method="GET",route="/v1/signers/{{signer}}",status="404"}} 1.0',
        "sigvault_scores_count 2.0",
        "sigvault_generation 1.0",
        "sigvault_index_lag_changes 0.0",
        'sigvault_queue_requests{lane="deciding",state="waiting"} 0.0',
    ):
        assert line in text, text
    assert "nobody" not in text


def test_drift_is_the_largest_difference_of_the_distributions():
    points = tuple(
        OperatingPoint(score, replace(make_threshold(3, "m").accept_rates, fnmr=Rate(rate, 0, 1)))
        for score, rate in ((0.2, 0.1), (0.4, 0.5), (0.6, 0.9))
    )
    threshold = replace(make_threshold(3, "m"), points=points)
    as_calibrated = [0.1] + [0.3] * 4 + [0.5] * 4 + [0.7]
    assert drift(as_calibrated, threshold) == pytest.approx(0.0)
    assert drift([0.1] * 10, threshold) == pytest.approx(0.9)
    assert drift([0.7] * 10, threshold) == pytest.approx(0.9)


def test_drift_needs_some_scores_of_the_generation_that_decides(client, vault):
    collector: ScoreDrift = client.app.state.service.metrics.drift
    evidence = vault.verify("1", PROBE).evidence
    for _ in range(49):
        collector.observe(evidence)
    assert "sigvault_score_drift{" not in client.get("/metrics").text
    collector.observe(evidence)
    assert 'sigvault_score_drift{references="3"}' in client.get("/metrics").text
    collector.thresholds = lambda: (2, [with_points(make_threshold(3, "m"))])
    assert not next(iter(collector.collect())).samples


def test_bodies_and_answers_refuse_what_is_unknown():
    assert schemas.Answer.model_config["extra"] == "forbid"
    assert schemas.Request.model_config["extra"] == "forbid"
