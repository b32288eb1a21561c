"""The pages over a real vault with the fake embedder, and browsers without a screen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.access import Role
from sigvault.domain.identifiers import EventNumber, SignerId
from sigvault.settings import Settings
from sigvault.vault import EnrollmentItem, Vault
from sigvault.web.app import create_pages
from sigvault.web.page_settings import PageSettings

TOKEN = re.compile(r'name="token" value="([^"]+)"')


class Browser:
    """A person's browser: keeps cookies, and fills the token into forms as a page does.

    Attributes:
        client: what talks to the pages.
    """

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, **options):
        return self.client.get(path, follow_redirects=False, **options)

    def post(self, path: str, data=None, *, files=None, page: str = "/sign-in", **options):
        """Send the form of a page; the token is taken from there."""
        token = TOKEN.search(self.get(page).text)[1]
        return self.client.post(
            path,
            data={"token": token, **(data or {})},
            files=files,
            follow_redirects=False,
            **options,
        )

    def sign_in(self, secret: str) -> Browser:
        answer = self.post("/sign-in", {"key": secret})
        assert answer.status_code == 303, answer.text
        return self


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """The folder of a vault of four signers with three references each."""
    settings = Settings(tmp_path_factory.mktemp("template") / "vault", by="tester")
    with create_vault(settings, embedder=FakeEmbedder()) as vault:
        items = [
            EnrollmentItem(SignerId(str(signer)), draw_signature(signer, number))
            for signer in range(4)
            for number in range(3)
        ]
        assert vault.enroll(items, names={SignerId("1"): "Ada Example"}).enrolled == 12
    return settings.vault


@pytest.fixture
def opened(template, tmp_path) -> Iterator[Callable[..., Vault]]:
    """Opens copies of it, with other settings."""
    vaults = []

    def open_copy(**settings) -> Vault:
        folder = tmp_path / f"vault-{len(vaults)}"
        shutil.copytree(template, folder)
        settings = {"keep_probes": "review", "by": "tester"} | settings
        vaults.append(open_vault(Settings(folder, **settings), embedder=FakeEmbedder()))
        return vaults[-1]

    yield open_copy
    for vault in vaults:
        vault.close()


@pytest.fixture
def vault(opened) -> Vault:
    """A copy of it."""
    return opened()


@pytest.fixture
def browse() -> Iterator[Callable[..., Browser]]:
    """Opens browsers."""
    clients = []

    def open_browser(
        vault: Vault,
        settings: PageSettings | None = None,
        *,
        address: str = "http://localhost",
        comes_from: str = "127.0.0.1",
        app=None,
    ) -> Browser:
        app = app or create_pages(vault, replace(settings or PageSettings(), ahead_after=0.0))
        clients.append(TestClient(app, base_url=address, client=(comes_from, 50000)))
        return Browser(clients[-1])

    yield open_browser
    for client in clients:
        client.close()


@pytest.fixture
def local(vault, browse) -> Browser:
    """Somebody at the vault's own computer."""
    return browse(vault)


@pytest.fixture
def person(browse) -> Callable[..., Browser]:
    """Somebody with a key, over TLS from elsewhere."""

    def open_signed_in(
        vault: Vault, *roles: Role, name: str = "anna", namespace: str = "", app=None, **settings
    ) -> Browser:
        secret = vault.create_key(name, frozenset(roles), namespace=namespace).secret
        pages = None if app else PageSettings(**settings)
        browser = browse(
            vault, pages, address="https://sigvault.test", comes_from="192.0.2.7", app=app
        )
        return browser.sign_in(secret)

    return open_signed_in


@pytest.fixture
def doubtful() -> Callable[..., EventNumber]:
    """Verifies something that goes to people: another signer's signature, a little alike."""

    def verify(vault: Vault, signer: str = "2", number: int = 9) -> EventNumber:
        found = vault.verify(SignerId(signer), draw_signature(4, number))
        assert found.evidence.decision == "review"
        return found.event

    return verify
