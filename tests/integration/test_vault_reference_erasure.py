"""One reference goes for good, and all is as if it had never been enrolled."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from sqlalchemy import text

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault
from sigvault.domain.errors import (
    ConfigurationError,
    LastReference,
    UnknownReference,
    UnknownSigner,
    VaultDamaged,
)
from sigvault.services import (
    erasure,
    filling,
    gallery_index,
    identification,
    reference_erasure,
    verification,
)
from sigvault.services.reindexing import ReindexPlan
from sigvault.settings import Settings
from sigvault.storage.driver import read_directly
from sigvault.storage.embeddings import load_gallery
from sigvault.storage.engine import make_engine, read_session, write_session
from sigvault.storage.signers import count_signers, get_signer
from sigvault.storage.vault_state import read_state
from sigvault.vault import EnrollmentItem, KeepProbes, RequestName, Verdict

WHY = "the picture is another person's"
WRONG = draw_signature(70)


@pytest.fixture
def mixed(enrolled):
    """A vault where signer 1 has a fourth reference, which is somebody else's signature."""
    enrolled.enroll([EnrollmentItem("1", WRONG)])
    return enrolled


@pytest.fixture
def file_or_skip(enrolled_settings):
    if enrolled_settings.database_url is not None:
        pytest.skip("PostgreSQL's files are its own")
    return enrolled_settings.vault


def last_of(vault, signer="1"):
    return vault.signer(signer).references[-1]


def rows(vault, statement, *values):
    with read_directly(vault._resources.engine) as transaction:
        return transaction.rows(statement, values)


def test_nothing_of_an_erased_reference_can_be_had_and_the_others_stay(mixed):
    wrong, kept = last_of(mixed), mixed.signer("1").references[:-1]
    before = mixed.verify("1", draw_signature(70, 9))
    gone = mixed.erase_reference("1", wrong.id, reason=f"  {WHY} ", by="ann")
    assert (gone.signer, gone.reference, gone.references_left) == ("1", wrong.id, 3)
    assert (gone.images_removed, gone.audit_parts, gone.log_clean) == (1, 1, True)
    assert mixed.signer("1").references == kept
    assert (mixed.status().references, mixed.status().vectors) == (15, 15)
    with pytest.raises(UnknownReference):
        mixed.reference_image(wrong.id)
    with pytest.raises(UnknownReference, match="signer show 1"):
        mixed.erase_reference("1", wrong.id, reason=WHY)
    after = mixed.verify("1", draw_signature(70, 9)).evidence
    assert [one.reference for one in after.score.per_reference] == [one.id for one in kept]
    assert after.score.value < before.evidence.score.value
    assert mixed.identify(draw_signature(70, 9), top=10).searched == 15
    record = mixed.audit_log()[gone.event - 1]
    key = mixed.audit_log(signer="1")[0].public["signer"]
    (enrolling,) = [
        one.number
        for one in mixed.audit_log(signer="1")
        if one.kind == "reference-enrolled" and one.public["reference"] == wrong.id
    ]
    assert record.kind == "reference-erased"
    assert record.public == {"signer": key, "reference": wrong.id, "parts": [enrolling]}
    said = {"signer": "1", "by": "ann", "reason": WHY, "enrolled_by": "tester"}
    assert record.personal == said
    assert mixed.audit_log()[enrolling - 1].personal is None
    check = mixed.audit_check()
    assert (check.whole, check.reason, check.images_missing) == (True, "", ())
    assert check.erased_parts == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_all_is_decided_as_if_it_had_never_been_enrolled(enrolled, embedder, tmp_path, place):
    pictures = [draw_signature(1, number) for number in range(3) if number != place]
    others = [
        EnrollmentItem(str(signer), draw_signature(signer, number))
        for signer in (0, 2, 3, 4)
        for number in range(3)
    ]
    with create_vault(Settings(tmp_path / "other", by="tester"), embedder=FakeEmbedder()) as never:
        never.enroll([*others, *(EnrollmentItem("1", picture) for picture in pictures)])
        enrolled.verify("1", draw_signature(1, 9))  # keeps a spread
        enrolled.identify(draw_signature(1, 9))  # opens the index
        chosen = enrolled.signer("1").references[place]
        enrolled.erase_reference("1", chosen.id, reason=WHY)
        for signer in range(5):
            probe = draw_signature(signer, 9)
            ours, theirs = (vault.verify("1", probe).evidence for vault in (enrolled, never))
            assert ours.score.value == theirs.score.value
            assert (ours.decision, ours.llr) == (theirs.decision, theirs.llr)
            assert ours.threshold.references == theirs.threshold.references
            found, expected = (vault.identify(probe, top=5) for vault in (enrolled, never))
            assert [(one.signer, one.score.value, one.decision) for one in found.candidates] == [
                (one.signer, one.score.value, one.decision) for one in expected.candidates
            ]
            assert found.searched == expected.searched == 14


def test_no_byte_of_it_stays_on_the_disk(mixed, file_or_skip):
    reference = last_of(mixed)
    mixed.enroll([EnrollmentItem("9", draw_signature(1, 5))])
    mixed.verify("1", draw_signature(1, 9))
    with read_session(mixed._resources.engine) as session:
        gallery = load_gallery(session, get_signer(session, "1").key, 1)
    vector = gallery.references[-1].embedding.vector.astype(np.float16).tobytes()
    assert vector in everything_on_disk(file_or_skip)
    assert mixed.erase_reference("1", reference.id, reason=WHY).log_clean
    left = everything_on_disk(file_or_skip)
    for secret in (
        reference.digest.encode(),
        WRONG,
        vector,
        gallery.references[-1].embedding.local,
    ):
        assert bytes(secret) not in left
    names = [path.name for path in file_or_skip.rglob("*")]
    assert not [name for name in names if reference.digest[2:] in name]


def everything_on_disk(folder) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("what", ["digest", "vector"])
def test_what_is_found_in_unused_parts_of_the_file_goes_with_it(mixed, file_or_skip, what):
    reference = last_of(mixed)
    with closing(sqlite3.connect(file_or_skip / "vault.sqlite3")) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        ((vector,),) = connection.execute(
            "SELECT vector FROM embeddings WHERE reference_id = ?", (reference.id,)
        ).fetchall()
        secret = vector if what == "vector" else reference.digest.encode()
        connection.execute("CREATE TABLE copies (content BLOB)")
        connection.execute("INSERT INTO copies VALUES (?)", (secret + b"x" * 9000,))
        connection.commit()
        connection.execute("DROP TABLE copies")
        connection.commit()
    assert mixed.erase_reference("1", reference.id, reason=WHY).log_clean
    assert secret not in everything_on_disk(file_or_skip)


@pytest.mark.parametrize("who", ["another signer", "a kept probe"])
def test_an_image_that_something_else_needs_stays(mixed, who):
    if who == "another signer":
        mixed.enroll([EnrollmentItem("twin", WRONG)], force=True)
    else:
        event = mixed.verify("2", WRONG, keep_probe=KeepProbes.ALWAYS).event
    assert mixed.erase_reference("1", last_of(mixed).id, reason=WHY).images_removed == 0
    if who == "another signer":
        assert mixed.reference_image(last_of(mixed, "twin").id) == WRONG
    else:
        assert mixed.probe_image(event) == WRONG
    assert mixed.audit_check().images_missing == ()


@pytest.mark.parametrize("signer", ["1", "new"])
def test_the_same_picture_can_be_enrolled_again(mixed, signer):
    wrong = last_of(mixed)
    mixed.erase_reference("1", wrong.id, reason=WHY)
    assert mixed.enroll([EnrollmentItem(signer, WRONG)]).enrolled == 1
    again = last_of(mixed, signer)
    assert (again.digest, again.id != wrong.id) == (wrong.digest, True)
    assert mixed.identify(draw_signature(70, 9), top=1).candidates[0].signer == signer
    mixed.enroll([EnrollmentItem("1", draw_signature(1, 7))])
    assert mixed.erase_reference("1", last_of(mixed).id, reason=WHY).references_left >= 3
    assert mixed.audit_check().whole


@pytest.mark.parametrize(
    ("signer", "choose", "reason", "error", "match"),
    [
        ("nobody", lambda vault: last_of(vault).id, WHY, UnknownSigner, "nobody"),
        ("2", lambda vault: last_of(vault).id, WHY, UnknownReference, "signer 2 has no"),
        ("1", lambda _: "f" * 32, WHY, UnknownReference, "has no reference ffff"),
        ("1", lambda _: "", WHY, UnknownReference, "has no reference"),
        ("1", lambda vault: last_of(vault).id[:8], WHY, UnknownReference, "has no reference"),
        ("1", lambda vault: last_of(vault).digest, WHY, UnknownReference, "has no reference"),
        ("1", lambda vault: last_of(vault).id, "", ConfigurationError, "a reason of 1 to 500"),
        ("1", lambda vault: last_of(vault).id, " \n\t", ConfigurationError, "say why"),
        ("1", lambda vault: last_of(vault).id, "x" * 501, ConfigurationError, "500"),
    ],
)
def test_what_cannot_be_erased_changes_nothing(mixed, signer, choose, reason, error, match):
    before = mixed.audit_log(), mixed.status()
    with pytest.raises(error, match=match):
        mixed.erase_reference(signer, choose(mixed), reason=reason)
    assert (mixed.audit_log(), mixed.status()) == before


def test_the_only_reference_is_refused(enrolled):
    for left in (2, 1):
        gone = enrolled.erase_reference("1", last_of(enrolled).id, reason="x" * 500)
        assert gone.references_left == left
    events = enrolled.audit_size()
    with pytest.raises(LastReference, match=r"only reference of signer 1.*erase the signer"):
        enrolled.erase_reference("1", last_of(enrolled).id, reason=WHY)
    assert enrolled.audit_size() == events
    assert enrolled.verify("1", draw_signature(1, 9)).evidence.threshold.references == 1
    enrolled.enroll([EnrollmentItem("1", draw_signature(1, 5))])
    wrong, right = enrolled.signer("1").references
    enrolled.erase_reference("1", wrong.id, reason=WHY)
    assert enrolled.signer("1").references == (right,)
    gone = enrolled.erase("1")
    # Its events were three enrollments, then one, of which three parts went before; and three
    # erasures and a verification.
    assert (gone.references, gone.audit_parts) == (1, 5)
    check = enrolled.audit_check()
    assert (check.whole, check.erased_parts) == (True, 8)


def test_a_kept_index_goes_with_it_and_open_ones_find_it_no_more(
    mixed, enrolled_settings, reopen_enrolled, monkeypatch
):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    mixed.identify(draw_signature(70))
    mixed._index.keep()
    folder = enrolled_settings.vault / "index"
    assert list(folder.iterdir())
    other = reopen_enrolled()
    other.erase_reference("1", last_of(other).id, reason=WHY)
    assert not list(folder.iterdir())
    found = mixed.identify(draw_signature(70, 9), top=10)
    assert (found.searched, len(mixed._index.current().index)) == (15, 15)
    assert mixed._index.compare() == gallery_index.IndexDifference(0, 0)


def test_a_failure_leaves_it_whole(mixed, reopen_enrolled, monkeypatch):
    before = mixed.signer("1").references, mixed.audit_size()
    with monkeypatch.context() as broken:
        broken.setattr(reference_erasure, "append_directly", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            mixed.erase_reference("1", last_of(mixed).id, reason=WHY)
    assert (mixed.signer("1").references, mixed.audit_size()) == before
    assert mixed.reference_image(last_of(mixed).id) == WRONG
    check = reopen_enrolled().audit_check()
    assert (check.whole, check.images_missing, check.erased_parts) == (True, (), 0)


@pytest.mark.parametrize("where", ["settle_pending", "clean_up"])
def test_what_a_crash_after_the_commit_leaves_goes_at_the_next_opening(
    mixed, file_or_skip, reopen_enrolled, monkeypatch, where
):
    def crash(*args):
        raise KeyboardInterrupt

    wrong = last_of(mixed)
    with monkeypatch.context() as broken:
        broken.setattr(erasure, where, crash)
        with pytest.raises(KeyboardInterrupt):
            mixed.erase_reference("1", wrong.id, reason=WHY)
    assert wrong.digest.encode() in everything_on_disk(file_or_skip)
    other = reopen_enrolled()
    assert len(list((file_or_skip / "images").glob("*/*"))) == 15
    left = everything_on_disk(file_or_skip)
    assert WRONG not in left
    assert where == "settle_pending" or wrong.digest.encode() not in left
    with read_directly(other._resources.engine) as transaction:
        state = read_state(transaction)
    assert state.erased_through == state.log_clean_through == other.audit_size()
    assert other.audit_check().whole


def test_a_reader_keeps_the_log_as_it_was_and_the_doctor_says_so(mixed, file_or_skip):
    other = make_engine(file_or_skip / "vault.sqlite3")
    with read_session(other) as session:
        count_signers(session)
        assert not mixed.erase_reference("1", last_of(mixed).id, reason=WHY).log_clean
        (found,) = [each for each in mixed.examine() if each.subject == "erasures"]
        assert found.severity == "warning"
    other.dispose()
    mixed.examine(repair=True)
    assert not [each for each in mixed.examine() if each.subject == "erasures"]


def test_its_spread_goes_and_none_comes_back_from_a_search_that_began_before(mixed, monkeypatch):
    mixed.verify("1", draw_signature(1, 9))
    assert rows(mixed, "SELECT 1 FROM gallery_spreads")
    mixed.erase_reference("1", last_of(mixed).id, reason=WHY)
    assert not rows(mixed, "SELECT 1 FROM gallery_spreads")
    rank, erased = identification._rank, []

    def erase_first(*args):
        erased.append(mixed.erase_reference("1", last_of(mixed).id, reason=WHY))
        return rank(*args)

    monkeypatch.setattr(identification, "_rank", erase_first)
    found = mixed.identify(draw_signature(1, 9), top=10)
    assert erased
    assert found.candidates[0].signer == "1"
    key = mixed.audit_log(signer="1")[0].public["signer"]
    kept = {one for (one,) in rows(mixed, "SELECT signer_key FROM gallery_spreads")}
    assert (len(kept), key in kept) == (4, False)


def test_a_decision_that_it_would_have_a_part_in_is_made_anew(mixed, monkeypatch):
    weigh, asked = verification.weigh, []
    wrong = last_of(mixed).id

    def erase_first(*args):
        if not asked:
            mixed.erase_reference("1", wrong, reason=WHY)
        asked.append(args)
        return weigh(*args)

    monkeypatch.setattr(verification, "weigh", erase_first)
    found = mixed.verify("1", draw_signature(1, 9), keep_probe=KeepProbes.ALWAYS)
    assert len(asked) == 2
    assert wrong not in [one.reference for one in found.evidence.score.per_reference]
    assert found.evidence.threshold.references == 3
    kinds = [one.kind for one in mixed.audit_log()][-2:]
    assert kinds == ["reference-erased", "verified"]
    assert mixed.probe_image(found.event) == draw_signature(1, 9)
    assert mixed.audit_check().whole


def test_one_that_is_enrolled_meanwhile_makes_no_decision_anew(mixed, monkeypatch):
    weigh, asked = verification.weigh, []

    def enroll_first(*args):
        mixed.enroll([EnrollmentItem("1", draw_signature(1, 20 + len(asked)))])
        asked.append(args)
        return weigh(*args)

    monkeypatch.setattr(verification, "weigh", enroll_first)
    mixed.verify("1", draw_signature(1, 9))
    assert len(asked) == 1


def test_decisions_made_with_it_stay_and_follow_from_their_evidence(mixed):
    wrong = last_of(mixed).id
    event = mixed.verify("1", draw_signature(1, 9), keep_probe=KeepProbes.ALWAYS).event
    mixed.decide_review(event, Verdict.ACCEPT, reason="the loops agree")
    case = mixed.review(event)
    assert wrong in [one.reference for one in case.evidence.score.per_reference]
    mixed.erase_reference("1", wrong, reason=WHY)
    assert mixed.review(event) == case
    assert mixed.replay(event).agrees
    assert mixed.probe_image(event) == draw_signature(1, 9)
    check = mixed.audit_check()
    assert (check.whole, check.replayed) == (True, 1)


def test_a_remembered_answer_goes_if_it_names_the_reference(mixed):
    wrong, other = last_of(mixed).id, mixed.signer("1").references[0].id
    for name, reference in (("wrong", wrong), ("other", other)):
        mixed.keep_answer(RequestName("local", name, "0" * 64), f'["{reference}"]', ["1", "2"])
    mixed.erase_reference("1", wrong, reason=WHY)
    assert mixed.find_answer(RequestName("local", "wrong", "0" * 64)) is None
    assert mixed.find_answer(RequestName("local", "other", "0" * 64)) == f'["{other}"]'


def test_events_of_the_same_picture_and_of_further_scans_lose_their_personal_parts(tmp_path):
    embedder = FakeEmbedder(copy_limit=0.99)
    scan = draw_signature(70, kind="TIFF")
    with create_vault(Settings(tmp_path / "vault", by="tester"), embedder=embedder) as vault:
        vault.enroll([EnrollmentItem("2", WRONG)])
        for number in range(2):
            vault.enroll([EnrollmentItem("1", draw_signature(1, number))])
        refused = vault.enroll([EnrollmentItem("1", WRONG)])  # another signer's picture
        vault.enroll([EnrollmentItem("1", WRONG)], force=True)
        repeated = vault.enroll([EnrollmentItem("1", scan)])
        vault.enroll([EnrollmentItem("1", b"no picture")])
        assert (refused.failed, repeated.already) == (1, 1)
        gone = vault.erase_reference("1", last_of(vault).id, reason=WHY)
        record = vault.audit_log()[gone.event - 1]
        parts = [vault.audit_log()[number - 1] for number in record.public["parts"]]
        assert [(one.kind, one.personal) for one in parts] == [
            ("enrollment-failed", None),
            ("reference-enrolled", None),
            ("enrollment-failed", None),
        ]
        assert gone.audit_parts == 3
        left = [one for one in vault.audit_log(signer="1") if one.personal is not None]
        assert len(left) == 4  # two enrollments, the broken picture, and the erasure
        assert last_of(vault, "2").digest == refused.results[0].digest
        assert vault.audit_check().whole


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (
            "INSERT INTO audit_personal SELECT {part}, signer_key, salt, content"
            " FROM audit_personal WHERE event = {event}",
            "erased it with a reference",
        ),
        ("DELETE FROM audit_personal WHERE event = {event}", "nobody erased it"),
        ("DELETE FROM audit_personal WHERE event = {part} - 1", "nobody erased it"),
        ("UPDATE audit_events SET public = '{{}}' WHERE number = {event}", "not what was"),
        ("UPDATE audit_events SET public = '{{' WHERE number = {event}", "can't be read"),
        ("UPDATE audit_events SET kind = 'verified' WHERE number = {event}", None),
    ],
)
def test_the_audit_check_sees_what_goes_beyond_an_erasure(mixed, tamper, reason):
    gone = mixed.erase_reference("1", last_of(mixed).id, reason=WHY)
    part = mixed.audit_log()[gone.event - 1].public["parts"][0]
    with write_session(mixed._resources.engine) as session:
        statement = tamper.format(part=part, event=gone.event)
        assert session.execute(text(statement)).rowcount == 1
    check = mixed.audit_check()
    assert not check.whole
    assert reason is None or reason in check.reason


def test_a_reference_that_comes_back_behind_the_log_is_found(mixed):
    chosen = mixed.signer("1").references[0].id
    held = rows(mixed, 'SELECT * FROM "references" WHERE id = ?', chosen)[0]
    mixed.erase_reference("1", chosen, reason=WHY)
    with mixed._resources.engine.begin() as connection:
        names = ", ".join(f":c{place}" for place in range(len(held)))
        values = {f"c{place}": _plain(value) for place, value in enumerate(held)}
        connection.execute(text(f'INSERT INTO "references" VALUES ({names})'), values)
    check = mixed.audit_check()
    assert not check.whole
    assert f"{chosen} was added without an event" in check.reason


def _plain(value):
    return "[]" if isinstance(value, list) else value


def test_an_event_that_cannot_be_read_stops_it(mixed):
    with write_session(mixed._resources.engine) as session:
        session.execute(text("UPDATE audit_events SET public = '[1]' WHERE kind LIKE '%enrolled'"))
    with pytest.raises(VaultDamaged, match="audit check"):
        mixed.erase_reference("1", last_of(mixed).id, reason=WHY)
    assert mixed.status().references == 16


NEW = FakeEmbedder("new")


def test_one_that_is_erased_while_a_generation_is_filled_is_not_in_it(
    mixed, reopen_enrolled, monkeypatch
):
    other, write, erased = reopen_enrolled(), filling._write, []

    def meanwhile(resources, generation, embedder, inks):
        """Erase one that is embedded in this batch, and one that was in the batch before."""
        done = rows(other, "SELECT reference_id FROM embeddings WHERE generation_id = 2")
        if done and not erased:
            for reference in (inks[0][0], done[0][0]):
                (owner,) = [
                    each.signer
                    for each in other.signers()
                    if reference in [one.id for one in other.signer(each.signer).references]
                ]
                other.erase_reference(owner, reference, reason=WHY)
                erased.append(reference)
        return write(resources, generation, embedder, inks)

    monkeypatch.setattr(filling, "_write", meanwhile)
    mixed.reindex(NEW, ReindexPlan(batch=4, force=True))
    assert len(erased) == 2
    found = mixed.generations()
    assert [(one.vectors, one.missing) for one in found] == [(14, 0), (14, 0)]
    assert found[1].status == "active"
    left = {one for (one,) in rows(mixed, "SELECT reference_id FROM embeddings")}
    assert not left & set(erased)
    assert mixed.identify(draw_signature(1, 9), top=10).searched == 14
    assert mixed.audit_check().whole


def test_it_goes_from_every_generation_and_no_rollback_brings_it_back(mixed):
    mixed.reindex(NEW, ReindexPlan(force=True))
    wrong = last_of(mixed)
    mixed.erase_reference("1", wrong.id, reason=WHY)
    assert [(one.vectors, one.missing) for one in mixed.generations()] == [(15, 0), (15, 0)]
    mixed.roll_back()
    evidence = mixed.verify("1", draw_signature(70, 9)).evidence
    assert evidence.generation == 1
    assert wrong.id not in [one.reference for one in evidence.score.per_reference]
    assert mixed.audit_check().whole


def test_one_whose_image_is_lost_can_be_erased(mixed):
    wrong = last_of(mixed)
    mixed._resources.images.delete(wrong.digest)
    assert mixed.audit_check().images_missing == (wrong.digest,)
    assert mixed.erase_reference("1", wrong.id, reason="its file is lost").images_removed == 0
    assert mixed.audit_check().images_missing == ()
