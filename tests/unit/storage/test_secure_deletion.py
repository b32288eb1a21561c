"""What is erased is gone from the disk, not only from the tables."""

from __future__ import annotations

import pytest

from sigvault.domain.audit import ReferenceEnrolled, SignerErased
from sigvault.storage import audit_log, signers
from sigvault.storage.driver import directly
from sigvault.storage.engine import checkpoint, make_engine, write_session
from sigvault.storage.orphaned_images import clear_orphans, list_orphans
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
