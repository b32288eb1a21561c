"""The service does what its description says, whatever it is sent (schemathesis, all checks).

``SIGVAULT_API_CASES`` says how many cases to try for each call; 600 make more than 10,000.
"""

from __future__ import annotations

import base64
import os
from itertools import cycle, islice

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from live_service import listening
from schemathesis import GenerationMode

from fakes import FakeEmbedder, draw_signature
from sigvault.api.app import CALLS, create_api
from sigvault.api.dependencies import write_cursor
from sigvault.api.limits import ServiceLimits
from sigvault.bootstrap import create_vault
from sigvault.domain.access import Role
from sigvault.settings import Settings
from sigvault.vault import EnrollmentItem

CASES = int(os.environ.get("SIGVAULT_API_CASES", "20"))
SIGNERS = ["1", "2", "cheques/53", "Zoë Ångström", "100%", "a b", "?x=1", "名前"]
PICTURES = [draw_signature(seed, number) for seed in (1, 2, 7) for number in range(3)]

schemathesis.openapi.format("signer-id", st.sampled_from(SIGNERS))
schemathesis.openapi.format(
    "signature-image", st.sampled_from([base64.b64encode(one).decode() for one in PICTURES])
)
schemathesis.openapi.format("signature-file", st.sampled_from(PICTURES))
schemathesis.openapi.format(
    "signer-cursor", st.sampled_from([write_cursor(one) for one in SIGNERS])
)
schemathesis.openapi.format("event-cursor", st.integers(0, 100).map(write_cursor))
schemathesis.openapi.media_type("image/png", st.sampled_from(PICTURES))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200 + 60 * CASES)]
WITHOUT_PARAMETERS = {
    "list_generations",
    "list_thresholds",
    "check_audit_log",
    "show_metrics",
    "live",
    "ready",
}
TRYING = settings(
    max_examples=CASES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@schemathesis.hook
def map_body(context, body):
    """As many signers as images, which a schema can't say: the shorter list again and again.

    Nothing is left out, so what is wrong with a list stays wrong.
    """
    paired = context.operation.path in ("/v1/enrollments", "/v1/verifications")
    if paired and isinstance(body, dict):
        lists = {name: body.get(name) for name in ("signers", "images")}
        if all(isinstance(one, list) and one for one in lists.values()):
            count = max(map(len, lists.values()))
            body |= {name: list(islice(cycle(one), count)) for name, one in lists.items()}
    return body


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A service with references of two signers."""
    folder = tmp_path_factory.mktemp("service") / "vault"
    items = [
        EnrollmentItem(str(signer), draw_signature(signer, number))
        for signer in (1, 2)
        for number in range(3)
    ]
    with create_vault(Settings(folder, keep_probes="always"), embedder=FakeEmbedder()) as vault:
        vault.enroll(items)
        app = create_api(vault, limits=ServiceLimits(per_minute=10**9, waiting=1000))
        key = vault.create_key("anna", frozenset(Role)).secret
        with listening(app) as url:
            yield url, {"Authorization": f"Bearer {key}"}
        assert vault.audit_check().whole


@pytest.fixture(scope="module")
def description(address):
    """The service's own description."""
    url, headers = address
    return schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers)


def looks_like_a_list(case):
    """Whether a form has one value where several belong: sent, it is a list of one."""
    body = case.body if case.media_type == "multipart/form-data" else None
    if not isinstance(body, dict):
        return False
    lists = [body[name] for name in ("signers", "images") if name in body]
    return any(not isinstance(one, list) for one in lists)


def vanishes_when_sent(case):
    """Whether a query parameter's value is an empty list or object: sent, it isn't there."""
    return any(value in ([], {}) for value in (case.query or {}).values())


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_every_call_is_as_described(call, mode, description, address):
    if mode is GenerationMode.NEGATIVE and call.name in WITHOUT_PARAMETERS:
        pytest.skip("nothing can be wrong with a call that takes nothing")
    (method,) = call.methods
    operation = description[call.path][method]

    @TRYING
    @given(case=operation.as_strategy(generation_mode=mode))
    def try_some(case):
        if mode is GenerationMode.NEGATIVE:
            assume(not looks_like_a_list(case) and not vanishes_when_sent(case))
        case.call_and_validate(headers=address[1], timeout=60)

    try_some()


def test_calls_that_follow_each_other_are_as_described(description, address):
    class Machine(description.as_state_machine()):
        def get_call_kwargs(self, case):
            return {"headers": address[1], "timeout": 60}

    Machine.run(settings=settings(TRYING, stateful_step_count=6))
