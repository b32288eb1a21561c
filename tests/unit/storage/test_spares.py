"""The driver's transactions hand a few connections on; nothing else changes by that."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from sigvault.domain.errors import VaultDamaged
from sigvault.storage.driver import read_directly, write_directly
from sigvault.storage.engine import make_engine, read_session
from sigvault.storage.signers import count_signers
from sigvault.storage.spares import SPARES


def used_by(engine):
    """The driver's connection of a transaction."""
    with read_directly(engine) as transaction:
        return transaction._connection


def test_transactions_that_follow_each_other_have_one_connection(sqlite_engine):
    first = used_by(sqlite_engine)
    assert used_by(sqlite_engine) is first
    with write_directly(sqlite_engine) as transaction:
        assert transaction._connection is first
        assert used_by(sqlite_engine) is not first
    assert used_by(sqlite_engine) is first


def test_few_lie_idle_however_many_were_used(sqlite_file):
    many = make_engine(sqlite_file, connections=16)
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(read_directly(many))
        assert many.pool.checkedout() == 8
    assert many.pool.checkedout() == many.get_execution_options()[SPARES].most == 2
    many.dispose()


@pytest.mark.parametrize("connections", [2, 7])
def test_none_lies_idle_where_there_are_few(sqlite_file, connections):
    few = make_engine(sqlite_file, connections=connections, wait_seconds=1)
    used_by(few)
    assert few.pool.checkedout() == 0
    with ExitStack() as held:
        for _ in range(connections):
            assert count_signers(held.enter_context(read_session(few))) == 0
    few.dispose()


def test_one_that_failed_goes_back_to_the_pool(sqlite_engine):
    with (
        pytest.raises(VaultDamaged, match="tables are missing"),
        read_directly(sqlite_engine) as transaction,
    ):
        transaction.rows("SELECT 1 FROM no_such_table")
    assert sqlite_engine.pool.checkedout() == 0


def test_one_that_wrote_and_then_failed_left_nothing(sqlite_engine):
    used_by(sqlite_engine)

    def move_and_stumble():
        with write_directly(sqlite_engine) as transaction:
            transaction.run("UPDATE audit_head SET number = 9")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_and_stumble()
    with read_directly(sqlite_engine) as transaction:
        assert transaction.rows("SELECT number FROM audit_head") == [(0,)]


def test_whoever_disposes_of_the_engine_closes_them(sqlite_engine, sqlite_file):
    log = sqlite_file.with_name(f"{sqlite_file.name}-wal")
    with write_directly(sqlite_engine) as transaction:
        transaction.run("UPDATE audit_head SET number = number")
    assert log.exists()
    sqlite_engine.dispose()
    assert not log.exists()  # the last connection takes it along
    assert used_by(sqlite_engine) is used_by(sqlite_engine)


def test_threads_never_have_the_same_one_at_a_time(sqlite_engine):
    taken, lock, doubled = set(), threading.Lock(), []

    def work():
        for _ in range(50):
            with read_directly(sqlite_engine) as transaction:
                mine = id(transaction._connection)
                with lock:
                    doubled.extend([mine] if mine in taken else [])
                    taken.add(mine)
                transaction.rows("SELECT count(*) FROM signers")
                with lock:
                    taken.discard(mine)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not doubled


def test_another_process_has_its_own(sqlite_engine, monkeypatch):
    first = used_by(sqlite_engine)
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert used_by(sqlite_engine) is not first


def test_a_server_s_connections_are_the_pool_s(engine):
    used_by(engine)
    idle = engine.pool.checkedout()
    assert idle == (1 if engine.dialect.name == "sqlite" else 0)
