"""What is erased is gone from the disk, not only from the tables."""

from __future__ import annotations

import random

import pytest

from sigvault.domain.audit import ReferenceEnrolled, ReferenceErased, SignerErased
from sigvault.domain.errors import StorageFailed
from sigvault.storage import audit_log, references, signers
from sigvault.storage.driver import directly, write_directly
from sigvault.storage.engine import checkpoint, make_engine, write_session
from sigvault.storage.orphaned_images import clear_orphans, list_orphans
from sigvault.storage.traces import (
    file_size,
    index_cell,
    is_traced,
    rewrite,
    traces_of,
    traces_of_vectors,
)
from sigvault.storage.vector_codec import encode_local

NAME, IDENTIFIER, NOTE = "Philippa Featherstonehaugh", "staff-0815-4711", "enrolled at Chancery"


@pytest.fixture
def traces(embed):
    """What the erased signer leaves on the disk, as bytes, with a name for each."""
    return {
        "name": NAME.encode(),
        "identifier": IDENTIFIER.encode(),
        "note in the audit log": NOTE.encode(),
        "vector": embed(777).vector.tobytes()[:24],
        "local features": encode_local(embed(777).local)[1][:40],
        "image digest": f"{777:064x}".encode(),
    }


def on_disk(path, traces):
    content = b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))
    return {name for name, trace in traces.items() if trace in content}


def test_no_byte_of_an_erased_signer_lingers_in_the_database_file(
    sqlite_file, traces, add_generation, enroll, now
):
    engine = make_engine(sqlite_file)
    with write_session(engine) as session:
        generation = add_generation(session)
        for number in range(30):  # neighbours on the same pages, before and after
            key = enroll(session, generation, f"before-{number}", [number], name="Somebody Else")
        key = enroll(session, generation, IDENTIFIER, [777], name=NAME)
        event = ReferenceEnrolled(key, "0" * 32, generation, {"note": NOTE})
        audit_log.append(session, event, now)
        for number in range(30, 60):
            enroll(session, generation, f"later-{number}", [number], name="Somebody Else")
    assert checkpoint(engine)
    assert on_disk(sqlite_file, traces) == set(traces)

    with write_session(engine) as session:
        signers.erase_signer(session, signers.get_signer(session, IDENTIFIER), now)
        audit_log.append(session, SignerErased(key, 1), now)
        audit_log.erase_personal(directly(session), key)
    with write_session(engine) as session:
        clear_orphans(session, list_orphans(session))  # as they go once their files are gone
    assert checkpoint(engine)

    assert on_disk(sqlite_file, traces) == set()
    assert b"Somebody Else" in sqlite_file.read_bytes()
    engine.dispose()


def test_no_byte_of_an_erased_reference_lingers_and_its_traces_find_it_before(
    sqlite_file, traces, add_generation, enroll, now
):
    engine = make_engine(sqlite_file)
    with write_session(engine) as session:
        generation = add_generation(session)
        for number in range(30):
            enroll(session, generation, f"before-{number}", [number])
        key = enroll(session, generation, IDENTIFIER, [776, 777, 778], name=NAME)
        (chosen,) = [
            each.id
            for each in references.list_references(session, key)
            if each.image_digest == f"{777:064x}"
        ]
        details = {"image": f"{777:064x}", "note": NOTE}
        audit_log.append(session, ReferenceEnrolled(key, chosen, generation, details), now)
        for number in range(30, 60):
            enroll(session, generation, f"later-{number}", [number])
    assert checkpoint(engine)
    assert on_disk(sqlite_file, traces) == set(traces)

    with write_directly(engine) as transaction:
        known = traces_of_vectors(engine, transaction, chosen)
        references.erase_reference_directly(transaction, key, chosen)
        gone = audit_log.erase_personal_of_reference(transaction, key, chosen, f"{777:064x}")
        audit_log.append_directly(transaction, ReferenceErased(key, chosen, gone, {}), now)
    assert is_traced(engine, known)  # it is in the file still: the log is not emptied yet
    with write_session(engine) as session:
        clear_orphans(session, list_orphans(session))
    assert checkpoint(engine)

    assert on_disk(sqlite_file, traces) == {"name", "identifier"}
    assert not is_traced(engine, known)
    engine.dispose()


def test_copies_in_unused_parts_of_pages_are_found_and_go_when_the_file_is_written_anew(
    sqlite_engine, sqlite_file, now
):
    """Random identifiers split the pages of their index, and halves of them stay as they were."""
    rng = random.Random(0)
    identifiers = [f"P{rng.getrandbits(40):010x}-patient" for _ in range(6000)]
    keys = {each: f"{rng.getrandbits(128):032x}" for each in identifiers}
    with write_directly(sqlite_engine) as transaction:
        statement = "INSERT INTO signers VALUES (?, ?, '', 'active', ?, NULL)"
        rows = [(key, each, transaction.time(now)) for each, key in keys.items()]
        transaction.run_many(statement, rows)
    traces = {}
    with write_directly(sqlite_engine) as transaction:
        for each in identifiers[::2]:
            traces[each] = traces_of(sqlite_engine, transaction, keys[each])
            signers.erase_signer_directly(transaction, keys[each], now)
    assert checkpoint(sqlite_engine)

    content = sqlite_file.read_bytes()
    left = [each for each in traces if each.encode() in content]
    assert left, "secure_delete alone would do: the search and the rewriting can go"
    assert is_traced(sqlite_engine, [trace for each in left for trace in traces[each]])
    gone = [trace for each in traces if each not in left for trace in traces[each]]
    assert not is_traced(sqlite_engine, gone[:300])

    assert rewrite(sqlite_engine)
    content = sqlite_file.read_bytes()
    assert not [each for each in traces if each.encode() in content]
    assert all(each.encode() in content for each in identifiers[1::2])


def test_an_entry_of_the_index_is_known_by_its_bytes(sqlite_engine, now):
    rows = [1, 2, 127, 128, 32767, 32768, 2**23, 2**31, 2**47]
    with write_session(sqlite_engine) as session:
        for row in rows:
            signer = signers.add_signer(session, f"{row}-" + "x" * (row % 300), "", now)
            move = "UPDATE signers SET rowid = ? WHERE key = ?"
            directly(session).run(move, (row, signer.key))
    assert checkpoint(sqlite_engine)

    for row in rows:
        assert is_traced(sqlite_engine, [index_cell(f"{row}-" + "x" * (row % 300), row)])
    assert not is_traced(sqlite_engine, [index_cell("12", 127)])


def test_an_identifier_that_others_begin_with_is_not_taken_for_theirs(sqlite_engine, now):
    with write_session(sqlite_engine) as session:
        key = signers.add_signer(session, "5", "", now).key
        for other in ("53", "e5", "erased"):
            signers.add_signer(session, other, "", now)
        traces = traces_of(sqlite_engine, directly(session), key)
        signers.erase_signer_directly(directly(session), key, now)
    assert checkpoint(sqlite_engine)
    assert traces
    assert not is_traced(sqlite_engine, traces)


def test_a_trace_is_found_where_two_readings_meet(tmp_path, monkeypatch):
    monkeypatch.setattr("sigvault.storage.traces._CHUNK", 10)
    path = tmp_path / "vault.sqlite3"
    path.write_bytes(b"0123456789abcdefghij")
    assert is_traced(make_engine(path), [b"89ab"])
    assert is_traced(make_engine(path), [b"nowhere", b"ij"])
    assert not is_traced(make_engine(path), [b"98"])


@pytest.mark.parametrize("seed", range(20))
def test_a_search_in_parts_finds_what_a_search_of_the_whole_finds(tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    monkeypatch.setattr("sigvault.storage.traces._CHUNK", rng.randint(1, 12))
    content = bytes(rng.choices(b"\0ab", k=rng.randint(0, 60)))
    path = tmp_path / "vault.sqlite3"
    path.write_bytes(content)
    engine, found = make_engine(path), 0
    for _ in range(50):
        traces = [bytes(rng.choices(b"\0ab", k=rng.randint(1, 9))) for _ in range(2)]
        assert is_traced(engine, traces) == any(trace in content for trace in traces)
        found += is_traced(engine, traces)
    assert found or len(content) < 10


def test_a_file_that_is_gone_says_so(tmp_path):
    with pytest.raises(StorageFailed, match="can't be used"):
        is_traced(make_engine(tmp_path / "vault.sqlite3"), [b"trace"])
    with pytest.raises(StorageFailed, match="can't be used"):
        file_size(make_engine(tmp_path / "vault.sqlite3"))


@pytest.mark.postgres
def test_a_servers_files_are_its_own(postgres_server):
    engine = make_engine(postgres_server)
    assert traces_of(engine, None, "key") == []
    assert traces_of_vectors(engine, None, "reference") == []
    assert rewrite(engine)
