from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from databases import fresh_database
from sqlalchemy import Engine, event, func, select, text

from sigvault.api.limits import ServiceLimits
from sigvault.domain.errors import ConfigurationError, StorageFailed, VaultDamaged
from sigvault.storage import schema, signers
from sigvault.storage.driver import read_directly, write_directly
from sigvault.storage.engine import (
    CACHE_KIB,
    CONNECTIONS,
    SERVING_CACHE_KIB,
    checkpoint,
    database_kind,
    make_engine,
    read_session,
    write_session,
)
from sigvault.storage.spares import SPARES
from sigvault.storage.tables import AuditHeadRow, SignerRow


def count(engine: Engine) -> int:
    with read_session(engine) as session:
        return session.scalar(select(func.count()).select_from(SignerRow)) or 0


def test_a_block_that_ends_is_committed_and_its_rows_stay_readable(engine, now):
    with write_session(engine) as session:
        signer = signers.add_signer(session, "53", "A. B.", now)

    assert signer.name == "A. B."
    assert count(engine) == 1


def test_a_block_left_by_an_error_leaves_nothing(engine, now):
    def enroll_and_stumble():
        with write_session(engine) as session:
            signers.add_signer(session, "53", "", now)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enroll_and_stumble()

    assert count(engine) == 0


def test_a_reading_session_refuses_to_write(engine, now):
    with (
        pytest.raises(StorageFailed, match=r"only reading|can't be written"),
        read_session(engine) as session,
    ):
        signers.add_signer(session, "53", "", now)

    with write_session(engine) as session:  # the connection is fit for writing again
        signers.add_signer(session, "54", "", now)
    assert count(engine) == 1


def test_a_reader_sees_one_snapshot_and_does_not_wait_for_a_writer(engine, now):
    with read_session(engine) as reader:
        before = signers.count_signers(reader)
        with write_session(engine) as writer:
            signers.add_signer(writer, "53", "", now)
            assert signers.count_signers(reader) == before
        assert signers.count_signers(reader) == before

    assert count(engine) == before + 1


def test_writers_wait_for_each_other(engine, now):
    """What a writer read stays true until it commits: no count is lost."""

    def add_after_counting(times: int) -> None:
        for _ in range(times):
            with write_session(engine) as session:
                there = signers.count_signers(session)
                signers.add_signer(session, f"signer-{there}", "", now)

    threads = [threading.Thread(target=add_after_counting, args=(10,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert count(engine) == 30


def test_waiting_too_long_says_so(engine, now):
    impatient = make_engine(engine.url.render_as_string(hide_password=False), wait_seconds=0.05)
    with write_session(engine) as session:
        signers.add_signer(session, "53", "", now)
        with (
            pytest.raises(StorageFailed, match=r"another process is writing.*try again"),
            write_session(impatient),
        ):
            pass

    with write_session(impatient) as session:  # and it works again afterwards
        signers.add_signer(session, "54", "", now)
    impatient.dispose()
    assert count(engine) == 2


def test_a_contradiction_is_refused_whole(engine, now):
    def add_twice():
        with write_session(engine) as session:
            signers.add_signer(session, "53", "", now)
            signers.add_signer(session, "53", "", now)

    with pytest.raises(StorageFailed, match="contradictory change; nothing was written"):
        add_twice()

    assert count(engine) == 0


def test_a_missing_table_is_damage(engine):
    with write_session(engine) as session:
        session.execute(text("DROP TABLE audit_head"))

    with (
        pytest.raises(VaultDamaged, match=r"tables are missing.*restore"),
        read_session(engine) as session,
    ):
        session.get(AuditHeadRow, 1)


def test_foreign_keys_are_watched(engine):
    with pytest.raises(StorageFailed, match="contradictory"), write_session(engine) as session:
        session.execute(
            text("INSERT INTO audit_personal (event, salt, content) VALUES (7, '', '')")
        )


def test_the_kind_has_a_name_for_people(engine):
    assert database_kind(engine) == {"sqlite": "SQLite"}.get(engine.dialect.name, "PostgreSQL")


def test_sqlite_keeps_a_write_ahead_log_and_overwrites_what_is_deleted(sqlite_engine):
    with read_session(sqlite_engine) as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA secure_delete")) == 1
        assert session.scalar(text("PRAGMA synchronous")) == 2


def test_a_full_disk_leaves_nothing_and_says_so(sqlite_engine, now):
    @event.listens_for(sqlite_engine, "connect")
    def allow_no_further_page(connection, _record):
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sqlite_engine.dispose()

    def add_many():
        with write_session(sqlite_engine) as session:
            for number in range(200):
                signers.add_signer(session, f"signer-{number}", "x" * 500, now)

    with pytest.raises(StorageFailed, match="the disk is full; nothing was written"):
        add_many()

    assert count(sqlite_engine) == 0


def test_a_file_that_is_no_database_says_so(tmp_path):
    path = tmp_path / "vault.sqlite3"
    path.write_bytes(b"no database at all, but long enough to have a header " * 10)

    with pytest.raises(StorageFailed, match="no SQLite database"):
        count(make_engine(path))


@pytest.mark.parametrize("place", ["missing/vault.sqlite3", "."])
def test_a_path_that_cannot_be_opened_says_so(tmp_path, place):
    with pytest.raises(StorageFailed, match="can't be opened"):
        count(make_engine(tmp_path / place))


def test_a_damaged_file_says_so(sqlite_engine, sqlite_file, now):
    with write_session(sqlite_engine) as session:
        for number in range(200):
            signers.add_signer(session, f"signer-{number}", "x" * 500, now)
    assert checkpoint(sqlite_engine)
    sqlite_engine.dispose()
    content = bytearray(sqlite_file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    sqlite_file.write_bytes(content)

    with pytest.raises(VaultDamaged, match="damaged: restore it from a backup"):
        count(sqlite_engine)


def test_a_server_that_does_not_answer_is_named_without_its_password():
    engine = make_engine("postgresql://clerk:hush@127.0.0.1:9/vault")

    with pytest.raises(StorageFailed, match="can't be reached") as raised:
        count(engine)

    assert "clerk" in str(raised.value)
    assert "hush" not in str(raised.value)


@pytest.mark.postgres
def test_a_database_that_is_not_there_says_so(postgres_server):
    engine = make_engine(postgres_server.replace("/postgres?", "/nowhere?"))

    with pytest.raises(StorageFailed, match=r"can't be reached.*nowhere"):
        count(engine)


@pytest.mark.postgres
def test_a_lost_connection_is_replaced(postgres_server, now):
    with fresh_database(postgres_server) as url:
        engine = make_engine(url)
        schema.upgrade(engine)
        other = make_engine(postgres_server)
        with write_session(other) as session:
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = :name AND pid <> pg_backend_pid()"
                ),
                {"name": engine.url.database},
            )

        assert count(engine) == 0
        engine.dispose()
        other.dispose()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("no url at all", "can't be read"),
        ("mysql://host/vault", "can't lie in mysql"),
        ("sqlite://", "can't lie in sqlite"),
        ("sqlite:///:memory:", "can't lie in sqlite"),
    ],
)
def test_a_url_that_cannot_hold_a_vault_is_refused(url, message):
    with pytest.raises(ConfigurationError, match=message):
        make_engine(url)


def test_urls_of_both_databases_are_taken():
    assert make_engine("postgres://host/vault").url.drivername == "postgresql+psycopg"
    assert make_engine("sqlite:////tmp/vault.sqlite3").url.database == "/tmp/vault.sqlite3"
    assert make_engine(Path("a?b=c%20.sqlite3")).url.database == "a?b=c%20.sqlite3"


def test_a_checkpoint_waits_for_no_reader(sqlite_engine, sqlite_file, now):
    log = sqlite_file.with_name(sqlite_file.name + "-wal")
    patient = make_engine(sqlite_file, wait_seconds=0.05)
    with read_session(patient) as reader:
        signers.count_signers(reader)
        with write_session(patient) as writer:
            signers.add_signer(writer, "53", "", now)
        assert not checkpoint(patient)

    assert checkpoint(patient)
    assert log.stat().st_size == 0
    patient.dispose()


def test_nobody_waits_for_a_checkpoint_that_waits_for_a_reader(sqlite_engine, sqlite_file, now):
    """Whoever empties the log would keep all writers waiting for as long as somebody reads."""
    other = make_engine(sqlite_file)
    with ThreadPoolExecutor(1) as threads, read_session(other) as reader:
        signers.count_signers(reader)
        with write_session(other) as writer:
            signers.add_signer(writer, "53", "", now)
        emptying = threads.submit(checkpoint, sqlite_engine, seconds=20)
        for number in range(10):
            with write_session(other) as writer:
                signers.add_signer(writer, f"later-{number}", "", now)
        assert not emptying.done()
    assert emptying.result()  # the reader ended before the time did
    with sqlite_engine.connect() as connection:
        assert connection.scalar(text("PRAGMA busy_timeout")) == 30_000
    other.dispose()


def test_a_checkpoint_of_what_is_no_database_says_so(tmp_path):
    path = tmp_path / "vault.sqlite3"
    path.write_bytes(b"no database at all, but long enough to have a header " * 10)

    with pytest.raises(StorageFailed, match="no SQLite database"):
        checkpoint(make_engine(path))


@pytest.mark.postgres
def test_a_server_empties_its_own_log(postgres_server):
    assert checkpoint(make_engine(postgres_server))


@pytest.mark.parametrize("cache_kib", [CACHE_KIB, SERVING_CACHE_KIB, 100])
def test_a_connection_takes_as_much_memory_for_pages_as_it_may(tmp_path, cache_kib):
    engine = make_engine(tmp_path / "vault.sqlite3", cache_kib=cache_kib)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA cache_size")).scalar() == -cache_kib
    engine.dispose()


def test_as_many_threads_as_may_ask_have_a_connection_each(engine, now):
    """More than SQLAlchemy's own fifteen; who comes when there is none waits, and is told."""
    url = engine.url.render_as_string(hide_password=False)
    many = make_engine(url, wait_seconds=0.2, connections=20)
    with ExitStack() as held:
        for _ in range(20):
            assert signers.count_signers(held.enter_context(read_session(many))) == 0
        for opened in (read_directly, write_session, write_directly):
            with pytest.raises(StorageFailed, match="SIGVAULT_CONNECTIONS"), opened(many):
                pass
        with pytest.raises(StorageFailed, match="SIGVAULT_CONNECTIONS"):
            count(many)
        with pytest.raises(StorageFailed, match="SIGVAULT_CONNECTIONS"):
            schema.current_revision(many)
        if many.dialect.name == "sqlite":
            with pytest.raises(StorageFailed, match="SIGVAULT_CONNECTIONS"):
                checkpoint(many)
    assert count(many) == 0
    many.dispose()


def test_the_service_s_threads_are_fewer_than_the_connections(sqlite_engine):
    limits = ServiceLimits()
    assert sqlite_engine.pool.size() + sqlite_engine.pool._max_overflow == CONNECTIONS
    idle = sqlite_engine.get_execution_options()[SPARES].most  # lie where sessions can't have them
    assert limits.deciding < CONNECTIONS - idle


@pytest.mark.parametrize("identifier", ["\udc80x", "a\udcffb"])
def test_text_that_is_none_is_refused_and_the_connection_goes_on(engine, now, identifier):
    with pytest.raises(ConfigurationError, match="no valid text"), read_session(engine) as session:
        signers.get_signer(session, identifier)
    with pytest.raises(ConfigurationError, match="no valid text"), write_session(engine) as session:
        signers.add_signer(session, identifier, "", now)
    with (
        pytest.raises(ConfigurationError, match="no valid text"),
        read_directly(engine) as transaction,
    ):
        signers.get_key(transaction, identifier)
    with (
        pytest.raises(ConfigurationError, match="no valid text"),
        write_directly(engine) as transaction,
    ):
        transaction.run_many("UPDATE signers SET name = ?", [(identifier,)])
    assert count(engine) == 0


def test_numbers_that_are_too_large_are_refused(sqlite_engine):
    for number in (2**63, 2**70):
        with (
            pytest.raises(ConfigurationError, match="numbers of 2"),
            read_session(sqlite_engine) as session,
        ):
            session.get(SignerRow, number)
