"""The service does what its description says, whatever it is sent (schemathesis, all checks).

``SIGVAULT_API_CASES`` says how many cases to try for each call; with 600 it sends more than 10,000
requests, which ``-rP`` shows.
"""

from __future__ import annotations

import base64
import os
import re
import sys
from itertools import cycle, islice

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from live_service import listening
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

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
ANSWERED = re.compile(r"^sigvault_requests_total\{.*\} (\d+)", re.MULTILINE)
WITHOUT_PARAMETERS = {
    "list_generations",
    "list_thresholds",
    "check_audit_log",
    "show_metrics",
    "live",
    "ready",
}
ANY_TEXT = {"signer_name"}
"""Fields of forms that take whatever text there is."""

TRYING = settings(
    max_examples=CASES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

ALIKE = 20
"""How often a call that takes nothing is tried at most."""

ATTEMPTS = 5
"""At series of calls: the service remembers those before, so that what is drawn from an answer can
be drawn otherwise when Hypothesis comes back to it, which it gives up at."""


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
            metrics = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {key}"}).text
            sys.stdout.write(f"{sum(map(int, ANSWERED.findall(metrics))):,} requests were sent\n")
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
    """Whether a query or a form has no way to say what the case says.

    Nothing and empty lists are left out, a list in a list is flattened, and a form's numbers are
    texts, as is ``false`` where any text will do.
    """
    form = case.body if case.media_type == "multipart/form-data" else None
    if isinstance(form, dict) and any(isinstance(form.get(name), bool) for name in ANY_TEXT):
        return True
    values = list(form.values()) if isinstance(form, dict) else []
    return any(value in (None, [], {}) for value in [*values, *(case.query or {}).values()]) or any(
        is_no_text(one) for value in values for one in as_list(value)
    )


def as_list(value):
    """A form's values of one name."""
    return value if isinstance(value, list) else [value]


def is_no_text(value):
    """Whether a form's value becomes another when it is written as text."""
    return not isinstance(value, str | bytes | bool)


def is_wrong_in_nothing_else(case):
    """Whether all that is wrong is the key, which is put right, or a format.

    The formats above are a few examples of what is valid, so what is of none may be valid as well.
    """
    mutations = case.meta.phase.data.mutations
    wrong = [each for each in mutations if each.parameter_location is not ParameterLocation.HEADER]
    return all(set(each.keywords) <= {"format"} for each in wrong)


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_every_call_is_as_described(call, mode, description, address):
    if mode is GenerationMode.NEGATIVE and call.name in WITHOUT_PARAMETERS:
        pytest.skip("nothing can be wrong with a call that takes nothing")
    (method,) = call.methods
    operation = description[call.path][method]

    # What takes nothing is sent the same again and again; the audit log's check reads all of it.
    alike = call.name in WITHOUT_PARAMETERS

    @settings(TRYING, max_examples=min(CASES, ALIKE) if alike else CASES)
    @given(case=operation.as_strategy(generation_mode=mode))
    def try_some(case):
        if mode is GenerationMode.NEGATIVE:
            assume(not looks_like_a_list(case))
            assume(not vanishes_when_sent(case))
            assume(not is_wrong_in_nothing_else(case))
        case.call_and_validate(headers=address[1], timeout=60)

    try_some()


def test_calls_that_follow_each_other_are_as_described(description, address):
    class Machine(description.as_state_machine()):
        def get_call_kwargs(self, case):
            return {"headers": address[1], "timeout": 60}

    for _ in range(ATTEMPTS):
        try:
            Machine.run(settings=settings(TRYING, stateful_step_count=6))
        except FlakyStrategyDefinition:
            continue
        return
    pytest.fail(f"the service's memory of earlier calls ended each of {ATTEMPTS} attempts")
