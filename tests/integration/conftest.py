"""A vault on each database, with the fake embedder."""

from __future__ import annotations

import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault
from sigvault.settings import Settings
from sigvault.vault import EnrollmentItem


@pytest.fixture
def embedder():
    return FakeEmbedder()


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "vault", by="tester")


@pytest.fixture
def vault(settings, embedder):
    with create_vault(settings, embedder=embedder) as vault:
        yield vault


@pytest.fixture
def enrolled(vault):
    """Five signers with three references each."""
    report = vault.enroll(
        EnrollmentItem(str(signer), draw_signature(signer, number), f"{signer}-{number}")
        for signer in range(5)
        for number in range(3)
    )
    assert report.enrolled == 15
    return vault
