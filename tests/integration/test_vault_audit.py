from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from fakes import draw_signature
from sigvault.domain.audit import Verified
from sigvault.domain.errors import UnknownSigner
from sigvault.domain.serialisation import evidence_to_dict
from sigvault.storage.audit_log import append
from sigvault.storage.engine import write_session
from sigvault.vault import EnrollmentItem


def change(vault, statement: str, **values) -> None:
    """What somebody with access to the database might do behind the vault's back."""
    with write_session(vault._resources.engine) as session:
        assert session.execute(text(statement), values).rowcount > 0


def test_events_can_be_read_in_pages_and_by_signer(enrolled):
    log = enrolled.audit_log()
    assert [record.number for record in log] == list(range(1, len(log) + 1))
    assert enrolled.audit_log(after=2, limit=3) == log[2:5]
    about = enrolled.audit_log(signer="2")
    assert [record.kind for record in about] == ["reference-enrolled"] * 3
    assert {record.personal["signer"] for record in about} == {"2"}
    with pytest.raises(UnknownSigner):
        enrolled.audit_log(signer="42")


def test_public_parts_name_nobody(enrolled):
    enrolled.enroll([EnrollmentItem("Grace Hopper", draw_signature(9))])
    enrolled.verify("Grace Hopper", draw_signature(9, 1))
    enrolled.identify(draw_signature(9, 1))
    enrolled.erase("Grace Hopper")
    for record in enrolled.audit_log():
        assert "Grace" not in json.dumps(record.public)


def test_a_whole_vault_checks_out(enrolled):
    enrolled.verify("1", draw_signature(1, 9))
    enrolled.identify(draw_signature(1, 9))
    enrolled.erase("2")
    check = enrolled.audit_check()
    assert (check.whole, check.first_broken, check.reason) == (True, None, "")
    assert check.events == enrolled.status().events == enrolled.audit_size()
    assert (check.replayed, check.erased_parts, check.images_missing) == (1, 3, ())


def test_a_changed_event_is_found(enrolled):
    change(enrolled, "UPDATE audit_events SET public = '{}' WHERE number = 7")
    check = enrolled.audit_check()
    assert (check.whole, check.first_broken) == (False, 7)


def test_a_decision_that_does_not_follow_is_found(enrolled):
    evidence = enrolled.verify("1", draw_signature(1, 9)).evidence
    forged = Verified(
        signer=enrolled.audit_log(signer="1")[0].public["signer"],
        decision="refuse",
        score=evidence.score.value,
        llr=evidence.llr,
        generation=evidence.generation,
        model=evidence.model,
        evidence={"by": "x", "evidence": evidence_to_dict(evidence)},
    )
    with write_session(enrolled._resources.engine) as session:
        event = append(session, _with_value(forged), enrolled._resources.clock())
    assert not enrolled.replay(event).agrees
    check = enrolled.audit_check()
    assert (check.whole, check.first_broken) == (False, event)
    assert "doesn't follow" in check.reason


def _with_value(event):
    """The event with its decision as an enumeration, as `Verified.public` expects."""
    from dataclasses import replace

    from sigvault.domain.comparison import Decision

    return replace(event, decision=Decision(event.decision))


def test_evidence_that_cannot_be_read_is_found(enrolled):
    evidence = enrolled.verify("1", draw_signature(1, 9)).evidence
    key = enrolled.audit_log(signer="1")[0].public["signer"]
    broken = Verified(
        key, evidence.decision, 0.0, 0.0, evidence.generation, evidence.model, {"evidence": {}}
    )
    with write_session(enrolled._resources.engine) as session:
        event = append(session, broken, enrolled._resources.clock())
    assert enrolled.audit_check().first_broken == event


def test_a_threshold_changed_behind_the_log_is_found(enrolled):
    change(enrolled, 'DELETE FROM thresholds WHERE "references" = 3')
    check = enrolled.audit_check()
    assert (check.whole, check.first_broken) == (False, 3)
    assert "thresholds" in check.reason


def test_a_reference_removed_behind_the_log_is_found(enrolled):
    reference = enrolled.signer("2").references[1].id
    change(enrolled, "DELETE FROM embeddings WHERE reference_id = :id", id=reference)
    change(enrolled, 'DELETE FROM "references" WHERE id = :id', id=reference)
    check = enrolled.audit_check()
    assert not check.whole
    assert enrolled.audit_log()[check.first_broken - 1].public["reference"] == reference


def test_a_reference_moved_to_another_signer_is_found(enrolled):
    reference = enrolled.signer("2").references[1].id
    key = enrolled.audit_log(signer="3")[0].public["signer"]
    change(
        enrolled, 'UPDATE "references" SET signer_key = :key WHERE id = :id', key=key, id=reference
    )
    check = enrolled.audit_check()
    assert not check.whole
    assert enrolled.audit_log()[check.first_broken - 1].public["reference"] == reference


def test_missing_and_changed_images_are_found(enrolled, enrolled_settings):
    first, second, _ = enrolled.signer("2").references
    images = enrolled_settings.vault / "images"
    (images / first.digest[:2] / first.digest[2:]).unlink()
    (images / second.digest[:2] / second.digest[2:]).write_bytes(b"another")
    check = enrolled.audit_check()
    assert check.whole
    assert set(check.images_missing) == {first.digest, second.digest}


def test_a_reference_slipped_in_behind_the_log_is_found(enrolled):
    reference = enrolled.signer("2").references[1].id
    change(
        enrolled,
        'INSERT INTO "references" SELECT :new, signer_key, :digest, image_bytes, findings,'
        ' enrolled_at, enrolled_by FROM "references" WHERE id = :old',
        new="f" * 32,
        digest="f" * 64,
        old=reference,
    )
    check = enrolled.audit_check()
    assert (check.whole, check.first_broken) == (False, None)
    assert "f" * 32 in check.reason
