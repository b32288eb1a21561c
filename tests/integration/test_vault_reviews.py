from __future__ import annotations

import errno
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, diagnose, open_vault
from sigvault.domain.comparison import Decision
from sigvault.domain.diagnosis import Severity
from sigvault.domain.errors import (
    AlreadyReviewed,
    ConfigurationError,
    ProbeNotKept,
    UnknownEvent,
    UnknownSigner,
)
from sigvault.domain.reviewing import ReviewRules
from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict
from sigvault.services import kept_probes, verification
from sigvault.services.answers import RequestName
from sigvault.services.pending_images import settle_pending
from sigvault.settings import Settings
from sigvault.storage.engine import write_session
from sigvault.vault import EnrollmentItem


@pytest.fixture
def strict(enrolled, monkeypatch):
    """A vault that sends everything about its own signers to review."""
    ask_about_everything(monkeypatch)
    return enrolled


def ask_about_everything(monkeypatch):
    real = verification.require_threshold
    monkeypatch.setattr(
        verification,
        "require_threshold",
        lambda *args: replace(real(*args), accept=1.5, refuse=-1.5),
    )


def with_rules(vault, **rules):
    object.__setattr__(vault._resources, "rules", ReviewRules(**rules))


def change(vault, statement: str, **values) -> None:
    with write_session(vault._resources.engine) as session:
        assert session.execute(text(statement), values).rowcount > 0


PROBE = draw_signature(1, 99)


def test_a_review_is_an_open_case_with_its_probe(strict):
    event = strict.verify("1", PROBE).event
    (case,) = strict.reviews()
    assert case == strict.review(event)
    assert (case.event, case.signer, case.state) == (event, "1", ReviewState.OPEN)
    assert case.evidence.decision is Decision.REVIEW
    assert (case.probe_kept, case.verdicts, case.outcome) == (True, (), None)
    assert strict.probe_image(event) == PROBE
    assert strict.count_reviews() == 1
    assert strict.audit_check().whole


def test_a_verdict_decides_and_the_machines_stays(strict):
    event = strict.verify("1", PROBE).event
    record = strict.decide_review(event, Verdict.REFUSE, reason="no loop", by="anna", blind=True)
    assert record.public["verification"] == event
    assert record.public["verdict"] == "refuse"
    assert record.personal == {"by": "anna", "reason": "no loop", "blind": True}
    case = strict.review(event)
    assert (case.state, case.outcome) == (ReviewState.DECIDED, Verdict.REFUSE)
    assert case.evidence.decision is Decision.REVIEW
    (said,) = case.verdicts
    assert (said.event, said.by, said.reason, said.blind) == (
        record.number,
        "anna",
        "no loop",
        True,
    )
    assert strict.reviews() == ()
    assert strict.reviews(state=None) == strict.reviews(state=ReviewState.DECIDED) == (case,)
    assert strict.count_reviews() == 0
    assert strict.count_reviews(state=None) == 1
    with pytest.raises(AlreadyReviewed, match="decided already"):
        strict.decide_review(event, Verdict.ACCEPT, reason="I say so", by="bert")
    assert strict.audit_check().whole


def test_two_people_have_to_agree_and_a_third_decides(strict):
    with_rules(strict, reviewers=2)
    agreed, disputed = (strict.verify("1", draw_signature(1, n)).event for n in (98, 99))
    strict.decide_review(agreed, Verdict.ACCEPT, reason="same", by="anna")
    assert strict.review(agreed).state is ReviewState.OPEN
    with pytest.raises(AlreadyReviewed, match="anna has given"):
        strict.decide_review(agreed, Verdict.ACCEPT, reason="same", by="anna")
    strict.decide_review(agreed, Verdict.ACCEPT, reason="same", by="bert")
    assert strict.review(agreed).outcome is Verdict.ACCEPT

    strict.decide_review(disputed, Verdict.ACCEPT, reason="same", by="anna")
    strict.decide_review(disputed, Verdict.CANNOT_TELL, reason="smudged", by="bert")
    assert strict.review(disputed).state is ReviewState.DISPUTED
    assert [case.event for case in strict.reviews(state=ReviewState.DISPUTED)] == [disputed]
    assert strict.reviews() == ()
    strict.decide_review(disputed, Verdict.REFUSE, reason="lifted pen", by="carl")
    case = strict.review(disputed)
    assert (case.state, case.outcome) == (ReviewState.DECIDED, Verdict.REFUSE)
    assert len(case.verdicts) == 3
    assert strict.audit_check().whole


def test_a_verification_that_nobody_was_asked_about_can_be_reviewed(enrolled):
    accepted = enrolled.verify("1", draw_signature(1, 9))
    assert accepted.evidence.decision is Decision.ACCEPT
    assert enrolled.review(accepted.event).state is ReviewState.NOT_ASKED
    assert enrolled.reviews(state=None) == ()
    enrolled.decide_review(accepted.event, Verdict.REFUSE, reason="traced", by="anna")
    case = enrolled.review(accepted.event)
    assert (case.state, case.outcome) == (ReviewState.DECIDED, Verdict.REFUSE)
    assert enrolled.reviews(state=None) == (case,)
    assert enrolled.audit_check().whole


def test_cases_come_in_pages_by_signer_and_by_namespace(strict):
    strict.enroll([EnrollmentItem("cheques/53", draw_signature(53, n)) for n in range(2)])
    events = [
        strict.verify(signer, draw_signature(1, place)).event
        for place, signer in enumerate(("1", "cheques/53", "2", "1"))
    ]
    numbers = [case.event for case in strict.reviews()]
    assert numbers == events
    assert [case.event for case in strict.reviews(after=events[0], limit=2)] == events[1:3]
    assert [case.event for case in strict.reviews(signer="1")] == [events[0], events[3]]
    assert [case.event for case in strict.reviews(namespace="cheques")] == [events[1]]
    assert strict.reviews(namespace="cheque") == ()
    assert strict.count_reviews(namespace="cheques") == 1
    with pytest.raises(UnknownSigner):
        strict.reviews(signer="nobody")


@pytest.mark.parametrize(
    ("reason", "by"), [("", "anna"), ("  ", "anna"), ("x" * 4001, "anna"), ("because", " ")]
)
def test_a_verdict_needs_a_reason_and_a_person(strict, reason, by):
    event = strict.verify("1", PROBE).event
    with pytest.raises(ConfigurationError):
        strict.decide_review(event, Verdict.ACCEPT, reason=reason, by=by)
    assert strict.review(event).verdicts == ()


def test_other_events_are_no_cases(enrolled):
    for event in (1, 10_000):
        with pytest.raises(UnknownEvent):
            enrolled.review(event)
        with pytest.raises(UnknownEvent):
            enrolled.decide_review(event, Verdict.ACCEPT, reason="x", by="anna")
        with pytest.raises(UnknownEvent):
            enrolled.probe_image(event)


def test_probes_are_kept_as_the_rules_or_the_caller_say(enrolled, strict):
    with_rules(enrolled, keep_probes=KeepProbes.NEVER)
    event = enrolled.verify("1", PROBE).event
    with pytest.raises(ProbeNotKept, match="SIGVAULT_KEEP_PROBES"):
        enrolled.probe_image(event)
    assert not enrolled.review(event).probe_kept
    kept = enrolled.verify("1", PROBE, keep_probe=KeepProbes.ALWAYS).event
    assert enrolled.probe_image(kept) == PROBE


def test_an_accepted_probe_is_kept_only_if_all_are(enrolled):
    probe = draw_signature(1, 9)
    assert not enrolled.review(enrolled.verify("1", probe).event).probe_kept
    with_rules(enrolled, keep_probes=KeepProbes.ALWAYS)
    event = enrolled.verify("1", probe).event
    assert enrolled.probe_image(event) == probe


def test_old_probes_are_forgotten_and_what_else_needs_them_stays(strict, enrolled_settings):
    reference = strict.reference_image(strict.signer("1").references[0].id)
    alone = strict.verify("1", PROBE).event
    shared = strict.verify("1", reference).event
    assert strict.forget_probes(timedelta(days=1), by="clerk") == 0
    assert strict.probe_image(alone) == PROBE
    assert strict.forget_probes(timedelta(0), by="clerk") == 1
    for event in (alone, shared):
        with pytest.raises(ProbeNotKept):
            strict.probe_image(event)
    assert len(list((enrolled_settings.vault / "images").glob("*/*"))) == 15
    record = strict.audit_log()[-1]
    assert (record.kind, record.public["probes"]) == ("probes-forgotten", 2)
    assert record.personal == {"by": "clerk"}
    check = strict.audit_check()
    assert (check.whole, check.images_missing) == (True, ())
    with pytest.raises(ConfigurationError, match="no age"):
        strict.forget_probes(timedelta(days=-1))


def test_a_probe_that_another_verification_keeps_too_stays(strict):
    first = strict.verify("1", PROBE).event
    second = strict.verify("2", PROBE).event
    strict.erase("1")
    assert strict.probe_image(second) == PROBE
    with pytest.raises(ProbeNotKept):
        strict.probe_image(first)
    strict.erase("2")
    assert strict.audit_check().whole


def everything_on_disk(folder) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_of_a_case_stays_of_an_erased_signer(strict, enrolled_settings):
    name, reviewer, reason = "signer-no-9876", "Rosalind Reviewer", "the loop of the k is traced"
    strict.enroll([EnrollmentItem(name, draw_signature(40, n)) for n in range(3)])
    probe = draw_signature(40, 99)
    event = strict.verify(name, probe).event
    strict.decide_review(event, Verdict.REFUSE, reason=reason, by=reviewer)
    strict.keep_answer(RequestName("local", "first", "0" * 64), f'{{"signer": "{name}"}}', [name])
    erased = strict.erase(name)
    assert (erased.references, erased.images_removed) == (3, 4)
    for ask in (strict.review, strict.probe_image):
        with pytest.raises((UnknownEvent, ProbeNotKept)):
            ask(event)
    assert strict.reviews(state=None) == ()
    assert strict.find_answer(RequestName("local", "first", "0" * 64)) is None
    check = strict.audit_check()
    assert (check.whole, check.images_missing) == (True, ())
    tables = ("kept_probes", "reviews", "verdicts", "answers", "answer_signers")
    with write_session(strict._resources.engine) as session:
        for table in tables:
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
    if enrolled_settings.database_url is None:
        left = everything_on_disk(enrolled_settings.vault)
        for secret in (name, reviewer, reason):
            assert secret.encode() not in left
        assert probe not in left


def test_a_probe_whose_verification_fails_is_not_left(strict, enrolled_settings, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(kept_probes, "keep_probe", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            strict.verify("1", PROBE)
    assert strict.reviews() == ()
    assert len(list((enrolled_settings.vault / "images").glob("*/*"))) == 15
    assert not list((enrolled_settings.vault / "pending").glob("*"))


def test_a_probe_is_written_once_more_where_somebody_settled_meanwhile(
    strict, enrolled_settings, monkeypatch
):
    resources = strict._resources
    real = verification.write_directly

    def settle_first(engine):
        settle_pending(engine, resources.images, resources.pending)
        return real(engine)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(verification, "write_directly", settle_first)
        event = strict.verify("1", PROBE).event
    assert strict.probe_image(event) == PROBE
    assert not list((enrolled_settings.vault / "pending").glob("*"))


def test_a_probe_is_kept_on_a_disk_of_another_kind(strict, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    assert strict.probe_image(strict.verify("1", PROBE).event) == PROBE


@pytest.mark.parametrize("erase", ["erase", "erase_reference"])
def test_of_a_probe_that_was_not_recorded_after_all_nothing_is_left(
    strict, enrolled_settings, monkeypatch, erase
):
    """Its signer or one of the references goes between the decision and the record."""
    resources = strict._resources
    real = kept_probes.digest_of

    def erase_first(probe):
        monkeypatch.setattr(kept_probes, "digest_of", real)
        if erase == "erase":
            strict.erase("1", by="clerk")
        else:
            reference = strict.signer("1").references[0].id
            strict.erase_reference("1", reference, reason="wrong", by="clerk")
        return real(probe)

    monkeypatch.setattr(kept_probes, "digest_of", erase_first)
    if erase == "erase":
        with pytest.raises(UnknownSigner):
            strict.verify("1", PROBE)
        assert not resources.images.has(real(PROBE))
    else:
        event = strict.verify("1", PROBE).event
        assert strict.probe_image(event) == PROBE
    assert not list((enrolled_settings.vault / "pending").glob("*"))
    assert strict.audit_check().whole


def test_a_probe_that_a_crash_left_goes_at_the_next_opening(
    strict, enrolled_settings, reopen_enrolled, monkeypatch
):
    def crash(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(kept_probes, "keep_probe", crash)
        broken.setattr(kept_probes, "_discard", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            strict.verify("1", PROBE)
    images = enrolled_settings.vault / "images"
    assert len(list(images.glob("*/*"))) == 16
    reopen_enrolled()
    assert len(list(images.glob("*/*"))) == 15


def test_the_doctor_knows_kept_probes(strict, enrolled_settings):
    event = strict.verify("1", PROBE).event
    found = diagnose(enrolled_settings, embedder=FakeEmbedder(), deep=True, repair=True)
    bad = {Severity.PROBLEM, Severity.WARNING}
    assert not [one for one in found.findings if one.subject == "images" and one.severity in bad]
    assert strict.probe_image(event) == PROBE


TAMPERINGS = {
    "DELETE FROM reviews WHERE event = :event": "nobody is asked",
    "UPDATE reviews SET state = 'decided' WHERE event = :event": "decided after 0 verdicts",
    'UPDATE kept_probes SET image_digest = (SELECT min(image_digest) FROM "references")'
    " WHERE event = :event": "not the one that",
    "UPDATE kept_probes SET event = 1 WHERE event = :event": "no verification",
    "UPDATE reviews SET signer_key = (SELECT key FROM signers WHERE external_id = '2')"
    " WHERE event = :event": "under another signer",
}


@pytest.mark.parametrize("statement", TAMPERINGS)
def test_a_case_changed_behind_the_log_is_found(strict, statement):
    event = strict.verify("1", PROBE).event
    change(strict, statement, event=event)
    check = strict.audit_check()
    assert not check.whole
    assert TAMPERINGS[statement] in check.reason


def test_a_verdict_removed_behind_the_log_is_found(strict):
    event = strict.verify("1", PROBE).event
    strict.decide_review(event, Verdict.ACCEPT, reason="same", by="anna")
    change(strict, "DELETE FROM verdicts")
    check = strict.audit_check()
    assert not check.whole
    assert "decided after 0 verdicts" in check.reason


def test_a_verdict_filed_elsewhere_is_found(strict):
    first, second = (strict.verify("1", draw_signature(1, n)).event for n in (98, 99))
    verdict = strict.decide_review(first, Verdict.ACCEPT, reason="same", by="anna").number
    change(
        strict,
        "UPDATE verdicts SET verification = :second WHERE event = :verdict",
        second=second,
        verdict=verdict,
    )
    assert not strict.audit_check().whole


def test_a_lost_probe_is_found(strict, enrolled_settings):
    event = strict.verify("1", PROBE).event
    digest = strict.review(event).evidence.probe_digest
    (enrolled_settings.vault / "images" / digest[:2] / digest[2:]).unlink()
    check = strict.audit_check()
    assert (check.whole, check.images_missing) == (True, (digest,))


def test_settings_reach_the_rules(tmp_path):
    settings = Settings(tmp_path / "vault", keep_probes="always", reviewers=2)
    with create_vault(settings, embedder=FakeEmbedder()):
        pass
    with open_vault(settings, embedder=FakeEmbedder()) as vault:
        assert vault._resources.rules == ReviewRules(KeepProbes.ALWAYS, 2)
