"""A vault on each database, with the fake embedder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import fresh_database, start_postgres
from sqlalchemy import make_url

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.identifiers import SignerId
from sigvault.settings import Settings
from sigvault.vault import EnrollmentItem, Vault

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL server."""
    with start_postgres() as server:
        yield server


@pytest.fixture
def embedder() -> FakeEmbedder:
    """The fake, fresh for each test."""
    return FakeEmbedder()


@pytest.fixture(params=BOTH)
def kind(request) -> str:
    """The database of the test."""
    return request.param


@pytest.fixture
def settings(request, kind, tmp_path) -> Iterator[Settings]:
    """A vault that is not there yet, on each database."""
    if kind == "sqlite":
        yield Settings(tmp_path / "vault", by="tester")
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield Settings(tmp_path / "vault", database_url=url, by="tester")


@pytest.fixture
def file_settings(tmp_path) -> Settings:
    """A vault that is not there yet, in SQLite's file."""
    return Settings(tmp_path / "vault", by="tester")


@pytest.fixture
def vault(settings, embedder) -> Iterator[Vault]:
    """An empty vault on each database."""
    with create_vault(settings, embedder=embedder) as vault:
        yield vault


@pytest.fixture
def reopen(settings, embedder) -> Iterator[Callable[[], Vault]]:
    """Opens the vault once more, as another process would."""
    yield from _opener(settings, embedder)


@pytest.fixture
def items() -> Callable[..., list[EnrollmentItem]]:
    """Makes so many drawn signatures for each of so many signers."""
    return draw_items


def draw_items(signers: int, each: int) -> list[EnrollmentItem]:
    return [
        EnrollmentItem(SignerId(str(signer)), draw_signature(signer, number), f"{signer}-{number}")
        for signer in range(signers)
        for number in range(each)
    ]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory) -> Path:
    """The folder of a vault of five signers with three references each."""
    settings = Settings(tmp_path_factory.mktemp("template") / "vault", by="tester")
    with create_vault(settings, embedder=FakeEmbedder()) as vault:
        assert vault.enroll(draw_items(5, 3)).enrolled == 15
    return settings.vault


@pytest.fixture(scope="session")
def postgres_template(postgres_server, tmp_path_factory) -> Iterator[Settings]:
    """The same with PostgreSQL."""
    with fresh_database(postgres_server) as url:
        folder = tmp_path_factory.mktemp("template") / "vault"
        settings = Settings(folder, database_url=url, by="tester")
        with create_vault(settings, embedder=FakeEmbedder()) as vault:
            assert vault.enroll(draw_items(5, 3)).enrolled == 15
        yield settings


@pytest.fixture
def enrolled_settings(request, kind, tmp_path) -> Iterator[Settings]:
    """A copy of the vault of five signers with three references each."""
    folder = tmp_path / "vault"
    if kind == "sqlite":
        shutil.copytree(request.getfixturevalue("sqlite_template"), folder)
        yield Settings(folder, by="tester")
        return
    template = request.getfixturevalue("postgres_template")
    shutil.copytree(template.vault, folder)
    name = str(make_url(template.database_url).database)
    with fresh_database(request.getfixturevalue("postgres_server"), name) as url:
        yield Settings(folder, database_url=url, by="tester")


@pytest.fixture
def enrolled(enrolled_settings, embedder) -> Iterator[Vault]:
    """A vault of five signers with three references each."""
    with open_vault(enrolled_settings, embedder=embedder) as vault:
        yield vault


@pytest.fixture
def reopen_enrolled(enrolled_settings, embedder) -> Iterator[Callable[[], Vault]]:
    """Opens that vault once more, as another process would."""
    yield from _opener(enrolled_settings, embedder)


def _opener(settings: Settings, embedder: FakeEmbedder) -> Iterator[Callable[[], Vault]]:
    opened = []

    def open_again() -> Vault:
        opened.append(open_vault(settings, embedder=embedder))
        return opened[-1]

    yield open_again
    for vault in opened:
        vault.close()
