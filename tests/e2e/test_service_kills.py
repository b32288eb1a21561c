"""A service killed under load: what it acknowledged is there after a restart, exactly once.

``SIGVAULT_SERVICE_KILLS`` says how often it is killed.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from command_line import start_process

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, open_vault

KILLS = int(os.environ.get("SIGVAULT_SERVICE_KILLS", "3"))
CLIENTS = 6
PATIENCE = 300.0


@contextmanager
def running(folder):
    """The service over a vault; yields its process and its address, once it is ready."""
    process = start_process(["--vault", folder, "serve", "--port", "0"])
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True)
    reader.start()
    try:
        yield process, _address(process, lines)
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()


def _address(process, lines):
    until = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, lines
        assert time.monotonic() < until, lines
        found = re.search(r"running on (http://[\w.]+:\d+)", " ".join(lines))
        if found and _ready(found[1]):
            return found[1]
        time.sleep(0.05)


def _ready(url):
    try:
        return httpx.get(f"{url}/health/ready", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def load(url, client, numbers, told):
    """Enroll and verify until the service is gone; what is acknowledged is told."""
    rng = random.Random(client)
    with httpx.Client(base_url=url, timeout=PATIENCE) as http:
        try:
            while True:
                number = next(numbers)
                signer = f"s{number}"
                name = f"request-{number}"
                image = draw_signature(number % 50, number)
                answer = http.post(
                    f"/v1/signers/{signer}/references",
                    files={"images": image},
                    headers={"Idempotency-Key": name},
                )
                assert answer.status_code == 201, answer.text
                (result,) = answer.json()["results"]
                told.append(("reference", signer, result["reference"], name, number))
                if rng.random() < 0.7:
                    probe = draw_signature(number % 50, 10_000 + number)
                    answer = http.post(f"/v1/signers/{signer}/verify", files={"image": probe})
                    assert answer.status_code == 200, answer.text
                    found = answer.json()
                    told.append(("decision", signer, found["event"], found["probe_digest"]))
        except httpx.TransportError:
            return


def load_and_kill(process, url, rng, numbers, told):
    """Some clients at once, and a kill in the middle of it."""
    before = len(told)
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(load, url, client, numbers, told) for client in range(CLIENTS)]
        until = time.monotonic() + PATIENCE
        while len(told) < before + 10:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 2.0))
        process.send_signal(signal.SIGKILL)
        for client in clients:
            client.result(PATIENCE)


def all_events(http):
    events, cursor = {}, None
    while True:
        params = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        page = http.get("/v1/audit", params=params).json()
        events |= {one["number"]: one for one in page["items"]}
        cursor = page["next"]
        if cursor is None:
            return events


def check(http, told):
    """Everything that was acknowledged is there."""
    events = all_events(http)
    for what in told:
        if what[0] == "reference":
            _, signer, reference, name, number = what
            there = http.get(f"/v1/signers/{signer}/references").json()["items"]
            assert [one["id"] for one in there] == [reference], what
        else:
            _, signer, event, digest = what
            evidence = events[event]["personal"]["evidence"]
            assert (evidence["signer"], evidence["probe_digest"]) == (signer, digest), what
    for _, signer, reference, name, number in [one for one in told if one[0] == "reference"][-20:]:
        again = http.post(
            f"/v1/signers/{signer}/references",
            files={"images": draw_signature(number % 50, number)},
            headers={"Idempotency-Key": name},
        )
        assert again.json()["results"][0]["reference"] == reference
    return events


@pytest.mark.slow
@pytest.mark.timeout(300 + 2 * PATIENCE * (KILLS + 1))
def test_what_a_killed_service_acknowledged_is_there_exactly_once(tmp_path):
    folder = tmp_path / "vault"
    with create_vault(folder, embedder=FakeEmbedder()):
        pass
    rng, numbers, told = random.Random(3), itertools.count(), []
    for _ in range(KILLS):
        with running(folder) as (process, url):
            with httpx.Client(base_url=url, timeout=PATIENCE) as http:
                check(http, told)
            load_and_kill(process, url, rng, numbers, told)
    with running(folder) as (process, url):
        with httpx.Client(base_url=url, timeout=PATIENCE) as http:
            events = check(http, told)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    with open_vault(folder, embedder=FakeEmbedder()) as vault:
        checked = vault.audit_check()
        assert (checked.whole, checked.images_missing) == (True, ())
    enrolled = [one["public"]["reference"] for one in events.values() if one["kind"] == KIND]
    assert len(enrolled) == len(set(enrolled))
    assert {one[2] for one in told if one[0] == "reference"} <= set(enrolled)


KIND = "reference-enrolled"
