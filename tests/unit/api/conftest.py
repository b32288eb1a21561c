"""A service over a copy of an enrolled vault, asked within the process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fakes import FakeEmbedder, draw_signature
from sigvault.api.app import create_api
from sigvault.api.limits import ServiceLimits
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.access import Role
from sigvault.services import verification
from sigvault.settings import Settings
from sigvault.vault import EnrollmentItem, Vault


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """The folder of a vault of three signers, one of them in a namespace."""
    folder = tmp_path_factory.mktemp("template") / "vault"
    items = [
        EnrollmentItem(signer, draw_signature(seed, number))
        for seed, signer in ((1, "1"), (2, "2"), (53, "cheques/53"))
        for number in range(3)
    ]
    with create_vault(folder, embedder=FakeEmbedder()) as vault:
        assert vault.enroll(items).enrolled == 9
    return folder


@pytest.fixture
def vault(template, tmp_path) -> Iterator[Vault]:
    """That vault."""
    folder = tmp_path / "vault"
    shutil.copytree(template, folder)
    with open_vault(Settings(folder, by="tester"), embedder=FakeEmbedder()) as vault:
        yield vault


@pytest.fixture
def serve(vault) -> Iterator[Callable[..., TestClient]]:
    """Starts a service over the vault, open to this computer unless keys are asked for."""
    with ExitStack() as stack:

        def start(*, keys: bool = False, limits: ServiceLimits | None = None, **options):
            app = create_api(vault, limits=limits, open_to_loopback=not keys)
            client = TestClient(
                app, base_url="http://127.0.0.1", raise_server_exceptions=False, **options
            )
            return stack.enter_context(client)

        yield start


@pytest.fixture
def client(serve) -> TestClient:
    """A service that needs no key."""
    return serve()


@pytest.fixture
def bearer(vault) -> Callable[..., dict[str, str]]:
    """Issues a key, and gives the header that sends it."""

    def issue(*roles: Role, name: str = "anna", namespace: str = "") -> dict[str, str]:
        secret = vault.create_key(name, frozenset(roles), namespace=namespace).secret
        return {"Authorization": f"Bearer {secret}"}

    return issue


@pytest.fixture
def strict(monkeypatch) -> None:
    """Every verification is sent to review."""
    real = verification.require_threshold
    monkeypatch.setattr(
        verification,
        "require_threshold",
        lambda *args: replace(real(*args), accept=1.5, refuse=-1.5),
    )
