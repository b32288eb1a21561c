from __future__ import annotations

import shutil

import pytest
from alembic import command
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from sigvault.domain.errors import (
    ConfigurationError,
    StorageFailed,
    VaultDamaged,
    VaultNotFound,
    VaultTooNew,
)
from sigvault.storage import embeddings, schema, signers
from sigvault.storage.driver import read_directly
from sigvault.storage.engine import make_engine, migrating, read_session, write_session
from sigvault.storage.tables import Base
from sigvault.storage.vault_state import VaultState, read_state


@pytest.fixture
def bare(database):
    """A database without a schema."""
    engine = make_engine(database)
    yield engine
    engine.dispose()


def tables(engine):
    with engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def test_migrations_make_exactly_the_tables_that_the_code_expects(bare):
    schema.upgrade(bare)

    with migrating(bare).begin() as connection:
        command.check(schema.alembic_config(connection))  # raises if there is a difference
    assert tables(bare) == {*Base.metadata.tables, "alembic_version"}


def test_tables_that_were_changed_are_named(bare):
    schema.upgrade(bare)
    assert schema.altered_tables(bare) == ()

    with bare.begin() as connection:
        connection.execute(text("CREATE TABLE somebody_elses (id INTEGER PRIMARY KEY)"))
    assert schema.altered_tables(bare) == ()

    with bare.begin() as connection:
        connection.execute(text("ALTER TABLE signers ADD COLUMN nickname TEXT"))
    assert schema.altered_tables(bare) == ("signers",)

    index = inspect(bare).get_indexes("reviews")[0]
    with bare.begin() as connection:
        connection.execute(text(f"DROP INDEX {index['name']}"))
        connection.execute(text("DROP TABLE audit_head"))
    assert schema.altered_tables(bare) == ("audit_head", "reviews", "signers")


def test_downgrading_to_the_base_leaves_nothing(bare):
    schema.upgrade(bare)

    with migrating(bare).begin() as connection:
        command.downgrade(schema.alembic_config(connection), "base")

    assert tables(bare) == {"alembic_version"}
    assert schema.current_revision(bare) is None


def stored_locals(engine):
    """How the local features are stored, by row."""
    with engine.connect() as connection:
        return connection.execute(text("SELECT local_encoding FROM embeddings")).scalars().all()


def test_local_features_outlive_the_change_of_how_they_are_stored(engine, add_generation, enroll):
    """Down to the schema before, which knows them compressed or plain, and up again."""
    with write_session(engine) as session:
        generation = add_generation(session)
        key = enroll(session, generation, "53", [1, 2, 3])

    def grids():
        with read_session(engine) as session:
            gallery = embeddings.load_gallery(session, key, generation)
        return [reference.embedding.local.tolist() for reference in gallery.references]

    assert set(stored_locals(engine)) == {"int8-inked"}
    written = grids()
    with migrating(engine).begin() as connection:
        command.downgrade(schema.alembic_config(connection), "0004")
    assert set(stored_locals(engine)) == {"int8-zlib"}
    assert grids() == written
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("UPDATE embeddings SET local_encoding = 'int8-inked'"))
    schema.upgrade(engine)
    assert grids() == written
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("UPDATE embeddings SET local_encoding = 'unheard-of'"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE embeddings SET local_encoding = 'int8-inked'"))
    assert schema.altered_tables(engine) == ()


def test_upgrading_twice_changes_nothing(bare, now):
    schema.upgrade(bare)
    with write_session(bare) as session:
        signers.add_signer(session, "53", "", now)

    schema.upgrade(bare)

    schema.check(bare)
    assert schema.current_revision(bare) == schema.head_revision()
    with read_session(bare) as session:
        assert signers.count_signers(session) == 1


def test_a_migration_that_fails_leaves_nothing(bare):
    with bare.begin() as connection:
        connection.execute(text("CREATE TABLE audit_head (id INTEGER)"))

    with pytest.raises(Exception, match="audit_head"):
        schema.upgrade(bare)

    assert tables(bare) == {"audit_head"}


def test_a_later_vault_is_refused_before_anything_is_touched(bare):
    schema.upgrade(bare)
    with bare.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(VaultTooNew, match=r"9999.*upgrade sigvault"):
        schema.check(bare)
    with pytest.raises(VaultTooNew, match="9999"):
        schema.upgrade(bare)


def test_a_database_without_a_vault_says_so(bare):
    with bare.begin() as connection:
        connection.execute(text("CREATE TABLE somebody_elses (id INTEGER)"))

    with pytest.raises(VaultNotFound, match="sigvault init"):
        schema.check(bare)


@pytest.mark.parametrize("missing", ["alembic_version", "embeddings"])
def test_a_vault_that_lacks_a_table_is_damaged(bare, missing):
    schema.upgrade(bare)
    with bare.begin() as connection:
        connection.execute(text(f"DROP TABLE {missing}"))

    with pytest.raises(VaultDamaged, match=f"lacks the tables.*{missing}"):
        schema.check(bare)


def test_a_row_that_points_to_nothing_stops_a_migration(tmp_path):
    engine = make_engine(tmp_path / "vault.sqlite3")
    with migrating(engine).begin() as connection:
        connection.execute(text("CREATE TABLE one (id INTEGER PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE other (one INTEGER REFERENCES one (id))"))
        connection.execute(text("INSERT INTO other VALUES (7)"))

    with pytest.raises(VaultDamaged, match="other points to nothing in one"):
        schema.upgrade(engine)

    assert tables(engine) == {"one", "other"}
    engine.dispose()


def test_the_migrations_are_found_in_an_installed_package(monkeypatch, tmp_path):
    source = schema.migrations_folder()
    installed = tmp_path / "100%" / "sigvault"
    shutil.copytree(source, installed / "migrations")
    monkeypatch.setattr(schema, "__file__", str(installed / "storage" / "schema.py"))

    assert schema.migrations_folder() == installed / "migrations"
    assert schema.head_revision() == "0006"


def test_an_installation_without_migrations_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(schema, "__file__", str(tmp_path / "a" / "sigvault" / "storage" / "s.py"))

    with pytest.raises(ConfigurationError, match="install sigvault again"):
        schema.migrations_folder()


def test_developers_run_alembic_by_hand(repository, tmp_path, monkeypatch):
    from alembic.config import main

    monkeypatch.chdir(repository)
    database = f"database=sqlite:///{tmp_path / 'scratch.sqlite3'}"
    main(["-x", database, "upgrade", "head"])
    main(["-x", database, "check"])  # exits if there is a difference

    with pytest.raises(SystemExit, match="name a database"):
        main(["upgrade", "head"])


@pytest.mark.parametrize("call", [schema.check, schema.upgrade, schema.current_revision])
def test_a_server_that_does_not_answer_is_no_vault_to_look_at(call):
    with pytest.raises(StorageFailed, match="can't be reached"):
        call(make_engine("postgresql://clerk@127.0.0.1:9/vault"))


def test_earlier_verifications_that_were_to_be_looked_at_become_cases(bare):
    with migrating(bare).begin() as connection:
        command.upgrade(schema.alembic_config(connection), "0001")
        for key, status in (("a" * 32, "active"), ("b" * 32, "erased")):
            connection.execute(
                text("INSERT INTO signers (key, status, created_at) VALUES (:key, :status, :at)"),
                {"key": key, "status": status, "at": "2024-05-17 12:30:15+00:00"},
            )
        for number, (key, kind, decision) in enumerate(
            [
                ("a" * 32, "verified", "review"),
                ("a" * 32, "verified", "accept"),
                ("b" * 32, "verified", "review"),
                ("a" * 32, "acquisition-failed", "review"),
            ],
            start=1,
        ):
            connection.execute(
                text("INSERT INTO audit_events VALUES (:n, '', :kind, :key, :public, '', '', '')"),
                {
                    "n": number,
                    "kind": kind,
                    "key": key,
                    "public": f'{{"decision":"{decision}","signer":"{key}"}}',
                },
            )

    schema.upgrade(bare)

    with bare.connect() as connection:
        rows = connection.execute(text("SELECT event, signer_key, state FROM reviews")).all()
    assert rows == [(1, "a" * 32, "open")]


def test_what_was_erased_before_there_was_a_mark_is_still_to_be_cleaned(bare):
    with migrating(bare).begin() as connection:
        command.upgrade(schema.alembic_config(connection), "0005")
        for number, kind in enumerate(["signer-erased", "probes-forgotten", "verified"], start=1):
            connection.execute(
                text("INSERT INTO audit_events VALUES (:n, '', :kind, NULL, '', '', '', '')"),
                {"n": number, "kind": kind},
            )

    schema.upgrade(bare)

    with read_directly(bare) as transaction:
        assert read_state(transaction) == VaultState(None, 2, 0, 0)
    with migrating(bare).begin() as connection:
        command.downgrade(schema.alembic_config(connection), "0005")
    assert "vault_state" not in tables(bare)
