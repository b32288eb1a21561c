"""Both clients before a real service, which listens at a port of this computer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from live_service import listening
from waiting_clients import asking

from fakes import FakeEmbedder, draw_signature
from sigvault.api.app import create_api
from sigvault.bootstrap import create_vault
from sigvault.domain.access import Role
from sigvault.settings import Settings
from sigvault.vault import EnrollmentItem, Vault


@dataclass(frozen=True)
class Running:
    """A service that runs, and its vault."""

    url: str
    vault: Vault


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Running]:
    """A service of two signers, one in a namespace, which keeps all probes."""
    folder = tmp_path_factory.mktemp("service") / "vault"
    items = [
        EnrollmentItem(signer, draw_signature(seed, number))
        for seed, signer in ((1, "1"), (53, "cheques/53"))
        for number in range(3)
    ]
    with create_vault(Settings(folder, keep_probes="always"), embedder=FakeEmbedder()) as vault:
        assert vault.enroll(items).enrolled == 6
        with listening(create_api(vault)) as url:
            yield Running(url, vault)


@pytest.fixture
def key(service) -> Callable[..., str]:
    """Issues keys; with all roles if none is named."""

    def issue(*roles: Role, name: str = "anna", namespace: str = "") -> str:
        granted = frozenset(roles or Role)
        return service.vault.create_key(name, granted, namespace=namespace).secret

    return issue


@pytest.fixture(params=["Client", "AsyncClient"])
def kind(request) -> str:
    """Both clients, one after the other."""
    return request.param


@pytest.fixture
def client(kind, service, key) -> Iterator[Any]:
    """A client that may do everything."""
    with asking(kind, service.url, key()) as client:
        yield client
