"""An empty vault's database, on SQLite and on PostgreSQL, and things to put into it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from databases import fresh_database, start_postgres
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from sigvault.domain.embedding import LOCAL_SCALE, Embedding
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import GenerationId, ModelId, SignerId, SignerKey
from sigvault.domain.model_card import ModelCard
from sigvault.storage import embeddings, generations, references, schema, signers
from sigvault.storage.engine import make_engine
from sigvault.storage.tables import VectorEncoding

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
START = datetime(2024, 5, 17, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL server."""
    with start_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the schema and nothing else."""
    path = tmp_path_factory.mktemp("template") / "vault.sqlite3"
    engine = make_engine(path)
    schema.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a PostgreSQL database with the schema and nothing else."""
    with fresh_database(postgres_server) as url:
        engine = make_engine(url)
        schema.upgrade(engine)
        engine.dispose()
        yield str(engine.url.database)


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where an empty database without a schema lies, as `make_engine` takes it."""
    if request.param == "sqlite":
        yield tmp_path / "vault.sqlite3"
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def sqlite_file(sqlite_template: Path, tmp_path: Path) -> Path:
    """An SQLite file with the schema."""
    path = tmp_path / "vault.sqlite3"
    shutil.copy(sqlite_template, path)
    return path


@pytest.fixture(params=BOTH)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An empty vault's database."""
    if request.param == "sqlite":
        made = make_engine(request.getfixturevalue("sqlite_file"), wait_seconds=20)
        yield made
        made.dispose()
        return
    server = request.getfixturevalue("postgres_server")
    with fresh_database(server, request.getfixturevalue("postgres_template")) as url:
        made = make_engine(url, wait_seconds=20)
        yield made
        made.dispose()


@pytest.fixture
def sqlite_engine(sqlite_file: Path) -> Iterator[Engine]:
    """An empty vault's SQLite database."""
    made = make_engine(sqlite_file)
    yield made
    made.dispose()


@pytest.fixture
def now() -> datetime:
    """Some moment."""
    return START


@pytest.fixture
def card() -> ModelCard:
    """A model's card."""
    return ModelCard(
        name="tiny",
        sha256="ab" * 32,
        architecture={"depth": 18, "widths": [64, 32]},
        preprocessing={"threshold": 0.1},
        preprocessing_name="plain-1",
        fusion=FusionRule(),
        training_data=("synthetic signers, no licence needed",),
        training_digests=frozenset({"cd" * 32, "ef" * 32}),
        recipe={"epochs": 3},
        metrics={"eer": 0.1234567890123456},
        licence="Apache-2.0",
    )


@pytest.fixture
def embed(card: ModelCard) -> Callable[..., Embedding]:
    """Makes embeddings that depend on a seed alone."""

    def make(seed: int, *, dimension: int = 8, model: ModelId = card.id) -> Embedding:
        rng = np.random.default_rng(seed)
        vector = rng.normal(size=dimension).astype(np.float32)
        grid = rng.normal(size=(4, 6, 16))
        grid *= LOCAL_SCALE / np.linalg.norm(grid, axis=-1, keepdims=True)
        grid *= (rng.random((4, 6)) < 0.3)[..., None]
        return Embedding(vector / np.linalg.norm(vector), np.rint(grid).astype(np.int8), model)

    return make


@pytest.fixture
def add_generation(card: ModelCard) -> Callable[..., GenerationId]:
    """Adds the model and a generation of eight dimensions, active unless told otherwise."""

    def add(session: Session, *, active: bool = True) -> GenerationId:
        model = generations.add_model(session, card, START)
        generation = generations.add_generation(
            session, model.id, preprocessing="plain-1", dimension=8, at=START
        )
        if active:
            generations.activate_generation(session, generation.id, START)
        return generation.id

    return add


@pytest.fixture
def enroll(embed: Callable[..., Embedding]) -> Callable[..., SignerKey]:
    """Adds a signer with references and embeddings, one for each seed."""

    def add(
        session: Session,
        generation: GenerationId,
        external_id: str,
        seeds: list[int],
        *,
        name: str = "",
        encoding: VectorEncoding = VectorEncoding.FLOAT32,
    ) -> SignerKey:
        signer = signers.add_signer(session, SignerId(external_id), name, START)
        for place, seed in enumerate(seeds):
            reference = references.add_reference(
                session,
                signer.key,
                image_digest=f"{seed:064x}",
                image_bytes=1000 + seed,
                findings=(),
                at=START + timedelta(seconds=place),
                by="clerk",
            )
            embeddings.add_embeddings(
                session, generation, [(reference.id, embed(seed))], encoding=encoding
            )
        return signer.key

    return add
