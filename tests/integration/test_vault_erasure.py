from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta

import numpy as np
import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.domain.errors import StorageFailed, UnknownEvent, UnknownReference, UnknownSigner
from sigvault.services import cleaning, erasure, gallery_index
from sigvault.services.reindexing import ReindexPlan
from sigvault.storage.driver import read_directly
from sigvault.storage.embeddings import load_gallery
from sigvault.storage.engine import make_engine, read_session
from sigvault.storage.signers import count_signers, get_signer
from sigvault.storage.vault_state import read_state
from sigvault.vault import EnrollmentItem, KeepProbes

NAME, SIGNER = "Ada Augusta King", "signer-no-9876"


def everything_on_disk(folder) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.fixture
def with_ada(enrolled):
    """A vault where Ada was enrolled, verified, identified, and failed."""
    for number in range(3):
        item = EnrollmentItem(SIGNER, draw_signature(40, number))
        enrolled.enroll([item], names={SIGNER: NAME})
    enrolled.enroll([EnrollmentItem(SIGNER, b"broken")])
    enrolled.verify(SIGNER, draw_signature(40, 99))
    enrolled.identify(draw_signature(40, 98))
    return enrolled


def test_nothing_of_an_erased_signer_can_be_had(with_ada):
    detail = with_ada.signer(SIGNER)
    verified = [each for each in with_ada.audit_log(signer=SIGNER) if each.kind == "verified"]
    erased = with_ada.erase(SIGNER)
    assert (erased.signer, erased.references, erased.images_removed) == (SIGNER, 3, 3)
    assert (erased.audit_parts, erased.log_clean) == (5, True)
    for ask in (
        lambda: with_ada.signer(SIGNER),
        lambda: with_ada.verify(SIGNER, draw_signature(40, 99)),
        lambda: with_ada.audit_log(signer=SIGNER),
        lambda: with_ada.erase(SIGNER),
    ):
        with pytest.raises(UnknownSigner):
            ask()
    with pytest.raises(UnknownReference):
        with_ada.reference_image(detail.references[0].id)
    with pytest.raises(UnknownEvent, match="erased"):
        with_ada.replay(verified[0].number)
    found = with_ada.identify(draw_signature(40, 98), top=10)
    assert SIGNER not in [each.signer for each in found.candidates]
    assert with_ada.status().references == 15
    check = with_ada.audit_check()
    assert (check.whole, check.images_missing, check.erased_parts) == (True, (), 5)
    record = with_ada.audit_log()[erased.event - 1]
    assert (record.public["references"], record.personal) == (3, {"by": "tester"})


def test_no_byte_of_an_erased_signer_stays_on_the_disk(with_ada, file_or_skip, embedder):
    references = with_ada.signer(SIGNER).references
    secrets = [SIGNER.encode(), NAME.encode(), *(each.digest.encode() for each in references)]
    secrets += [with_ada.reference_image(each.id) for each in references]
    with_ada.erase(SIGNER)
    left = everything_on_disk(file_or_skip)
    assert not [secret[:40] for secret in secrets if secret in left]
    names = "".join(path.name for path in file_or_skip.rglob("*"))
    assert not [each.digest for each in references if each.digest[2:] in names]


@pytest.fixture
def file_or_skip(enrolled_settings):
    if enrolled_settings.database_url is not None:
        pytest.skip("PostgreSQL's files are its own")
    return enrolled_settings.vault


def test_the_identifier_can_be_used_again_for_somebody_new(with_ada):
    before = {each.public.get("signer") for each in with_ada.audit_log(signer=SIGNER)}
    with_ada.erase(SIGNER)
    with_ada.enroll([EnrollmentItem(SIGNER, draw_signature(41))])
    assert with_ada.signer(SIGNER).summary.references == 1
    after = {each.public.get("signer") for each in with_ada.audit_log(signer=SIGNER)}
    assert not before & after
    assert with_ada.audit_check().whole


def test_an_image_that_another_signer_has_too_stays(enrolled):
    picture = draw_signature(0, 0)
    enrolled.enroll([EnrollmentItem("twin", picture)], force=True)
    assert enrolled.erase("twin").images_removed == 0
    first = enrolled.signer("0").references[0]
    assert enrolled.reference_image(first.id) == picture
    enrolled.enroll([EnrollmentItem("twin", picture)], force=True)
    assert enrolled.erase("0").images_removed == 2
    assert enrolled.reference_image(enrolled.signer("twin").references[0].id) == picture
    assert enrolled.audit_check().images_missing == ()


def test_a_kept_index_goes_with_the_signer(
    enrolled, enrolled_settings, reopen_enrolled, monkeypatch
):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    enrolled.identify(draw_signature(1))
    enrolled._index.keep()
    folder = enrolled_settings.vault / "index"
    assert list(folder.iterdir())
    other = reopen_enrolled()
    assert len(other._index.current().index) == 15
    other.erase("1")
    assert not list(folder.iterdir())
    enrolled._index.keep()
    assert list(folder.iterdir())
    third = reopen_enrolled()
    assert len(third._index.current().index) == 12
    assert third.identify(draw_signature(1), top=10).searched == 12


def test_images_that_a_crash_left_go_at_the_next_opening(
    enrolled, enrolled_settings, reopen_enrolled, monkeypatch
):
    def crash(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(erasure, "settle_pending", crash)
        with pytest.raises(KeyboardInterrupt):
            enrolled.erase("1")
    images = enrolled_settings.vault / "images"
    assert len(list(images.glob("*/*"))) == 15
    reopen_enrolled()
    assert len(list(images.glob("*/*"))) == 12
    assert not list((enrolled_settings.vault / "pending").iterdir())


def test_an_erasure_that_fails_leaves_the_signer_whole(
    enrolled, enrolled_settings, reopen_enrolled, monkeypatch
):
    with monkeypatch.context() as broken:
        broken.setattr(erasure, "append_directly", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            enrolled.erase("1")
    assert enrolled.signer("1").summary.references == 3
    assert reopen_enrolled().audit_check().images_missing == ()


def test_a_vector_that_got_into_the_kept_index_goes_at_the_next_opening(
    enrolled, enrolled_settings, reopen_enrolled, monkeypatch
):
    """Whoever kept it was killed before it could look for what was erased meanwhile."""
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    enrolled.identify(draw_signature(1))
    with read_session(enrolled._resources.engine) as session:
        gallery = load_gallery(session, get_signer(session, "1").key, 1)
    vector = gallery.references[0].embedding.vector.astype(np.float16).tobytes()
    folder = enrolled_settings.vault / "index"

    def traces() -> int:
        return sum(vector in path.read_bytes() for path in folder.glob("*"))

    state = enrolled._index._state
    write = enrolled._index._keeper.keep(enrolled._index._index, state, lambda: False)
    reopen_enrolled().erase("1")
    write()
    assert traces() == 1
    other = reopen_enrolled()
    assert other.identify(draw_signature(2), top=10).searched == 12
    assert traces() == 0
    other._index.keep()
    assert list(folder.glob("*.json"))
    assert traces() == 0


@contextmanager
def somebody_reading(folder):
    """A snapshot of the database that another process has open."""
    other = make_engine(folder / "vault.sqlite3")
    with read_session(other) as session:
        count_signers(session)
        yield
    other.dispose()


def lies_in_database(folder, secret) -> bool:
    files = folder.glob("vault.sqlite3*")
    return any(secret.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize("who", ["opening", "another erasure", "closing"])
def test_a_log_that_a_reader_kept_from_being_emptied_is_emptied_by_whoever_comes_next(
    with_ada, file_or_skip, reopen_enrolled, who
):
    began = time.monotonic()
    with somebody_reading(file_or_skip):
        assert not with_ada.erase(SIGNER).log_clean
        assert time.monotonic() - began < 20  # it doesn't wait for half a minute, as writers do
        assert lies_in_database(file_or_skip, SIGNER)
    assert lies_in_database(file_or_skip, SIGNER)
    if who == "opening":
        reopen_enrolled()
    elif who == "another erasure":
        assert with_ada.erase("0").log_clean
    else:
        # Whoever closes the last connection removes the log in any case.
        with closing(sqlite3.connect(file_or_skip / "vault.sqlite3")) as idle:
            idle.execute("SELECT count(*) FROM signers").fetchall()
            with_ada.close()
            assert not lies_in_database(file_or_skip, SIGNER)
    assert not lies_in_database(file_or_skip, SIGNER)


def test_a_crash_after_the_commit_leaves_the_log_to_the_next_opening(
    with_ada, file_or_skip, reopen_enrolled, monkeypatch
):
    def crash(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(erasure, "clean_up", crash)
        with pytest.raises(KeyboardInterrupt):
            with_ada.erase(SIGNER)
    assert lies_in_database(file_or_skip, SIGNER)
    reopen_enrolled()
    assert not lies_in_database(file_or_skip, SIGNER)


@pytest.fixture
def in_unused_pages(with_ada, file_or_skip):
    """What a row leaves in the file without `secure_delete`, as splitting pages does with it."""
    with closing(sqlite3.connect(file_or_skip / "vault.sqlite3")) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        key, name = connection.execute(
            "SELECT key, external_id FROM signers WHERE external_id = ?", (SIGNER,)
        ).fetchone()
        connection.execute("CREATE TABLE copies (content TEXT)")
        connection.execute("INSERT INTO copies VALUES (?)", (key + name + "x" * 9000,))
        connection.commit()
        connection.execute("DROP TABLE copies")
        connection.commit()


@pytest.mark.usefixtures("in_unused_pages")
def test_what_is_found_in_unused_parts_of_the_file_goes_with_the_erasure(with_ada, file_or_skip):
    assert with_ada.erase(SIGNER).log_clean
    assert not lies_in_database(file_or_skip, SIGNER)


@pytest.mark.usefixtures("in_unused_pages")
@pytest.mark.parametrize(
    ("name", "most"), [("REWRITTEN_AT_ONCE", 0), ("SEARCHED_AT_MOST", 0), ("rewrite_file", None)]
)
def test_a_file_that_is_too_large_to_be_written_anew_at_once_is_left_to_the_doctor(
    with_ada, file_or_skip, monkeypatch, name, most
):
    def have_no_room(engine):
        raise StorageFailed("the disk is full")

    with monkeypatch.context() as smaller:
        smaller.setattr(cleaning, name, have_no_room if most is None else most)
        assert not with_ada.erase(SIGNER).log_clean
    assert lies_in_database(file_or_skip, SIGNER)
    (found,) = [each for each in with_ada.examine() if each.subject == "erasures"]
    assert "1 since the database's file was written anew" in found.message
    assert "doctor --repair" in found.remedy
    assert not found.repaired
    repaired = with_ada.examine(repair=True)
    assert [each.repaired for each in repaired if each.subject == "erasures"] == [True]
    assert not lies_in_database(file_or_skip, SIGNER)
    assert not [each for each in with_ada.examine() if each.subject == "erasures"]


def test_the_doctor_says_where_readers_keep_the_log_and_the_file_as_they_were(
    with_ada, file_or_skip
):
    with somebody_reading(file_or_skip):
        with_ada.erase(SIGNER)
        found = [each for each in with_ada.examine(repair=True) if each.subject == "erasures"]
        assert [(each.severity, each.repaired) for each in found] == [("warning", False)]
        assert "in its log" in found[0].message
    with_ada.examine(repair=True)
    assert not lies_in_database(file_or_skip, SIGNER)


def test_nobody_who_writes_waits_for_an_index_that_an_erasure_waits_for(enrolled):
    """The index is locked while it is opened, which takes seconds where it is large."""
    with ThreadPoolExecutor(1) as threads, enrolled._index._lock:
        erasing, until = threads.submit(enrolled.erase, "1"), time.monotonic() + 20
        while enrolled.audit_log()[-1].kind != "signer-erased":
            assert time.monotonic() < until
            time.sleep(0.01)
        enrolled.verify("2", draw_signature(2, 9))
        assert not erasing.done()
    assert erasing.result().references == 3
    assert enrolled.identify(draw_signature(1), top=10).searched == 12


def test_a_log_is_cleaned_of_forgotten_probes_and_dropped_generations_too(
    enrolled, file_or_skip, reopen_enrolled
):
    def state():
        with read_directly(enrolled._resources.engine) as transaction:
            return read_state(transaction)

    enrolled.verify("1", draw_signature(1, 9), keep_probe=KeepProbes.ALWAYS)
    assert enrolled.forget_probes(timedelta(0)) == 1
    event = enrolled.audit_size()
    assert (state().erased_through, state().log_clean_through) == (event, event)
    other = enrolled.reindex(FakeEmbedder("new"), ReindexPlan(activate=False)).generation
    with somebody_reading(file_or_skip):
        enrolled.drop(other)
        assert state().erased_through > state().log_clean_through == event
    reopen_enrolled()
    assert state().erased_through == state().log_clean_through == enrolled.audit_size()


def test_a_vault_is_closed_also_where_its_log_can_not_be_emptied(enrolled, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise StorageFailed("the disk failed")

    monkeypatch.setattr(cleaning, "clean_log", fail)
    enrolled.close()
    assert "left to the next opening: the disk failed" in caplog.text
