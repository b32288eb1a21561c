"""Bodies arrive whole, however long it takes to find out who sent them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from live_service import listening
from service_answers import PROBE

from sigvault.api.app import create_api
from sigvault.api.limits import ServiceLimits
from sigvault.domain.access import Role

MORE_THAN_THERE_ARE_THREADS = 8


def test_a_request_whose_key_waits_to_be_looked_up_keeps_its_body(vault, bearer, monkeypatch):
    keys = [bearer(Role.VERIFIER, name=f"k{n}") for n in range(MORE_THAN_THERE_ARE_THREADS)]
    look_up = type(vault).authenticate

    def slowly(self, secret):
        time.sleep(0.3)
        return look_up(self, secret)

    monkeypatch.setattr(type(vault), "authenticate", slowly)
    with listening(create_api(vault, limits=ServiceLimits(body_seconds=5.0))) as url:

        def ask(key):
            path = f"{url}/v1/signers/1/verify"
            return httpx.post(path, files={"image": PROBE}, headers=key, timeout=60)

        with ThreadPoolExecutor(len(keys)) as threads:
            found = list(threads.map(ask, keys))
    assert [one.status_code for one in found] == [200] * len(keys), [one.text for one in found]
