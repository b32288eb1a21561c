"""Both clients ask a real service; what they say is what the vault says."""

from __future__ import annotations

import pytest
from waiting_clients import asking

from fakes import draw_blank, draw_signature
from sigvault.client import (
    Aim,
    AuditRecord,
    Conflict,
    Decision,
    EnrollmentOutcome,
    KeepProbes,
    Measure,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RequestInvalid,
    ReviewState,
    ServiceProblem,
    Verdict,
)
from sigvault.domain.access import Role

STRANGE = ["a/b", "..", ".", "50%", "50%2F", "Zoë Ångström", "名前", "?x=1", "a b#c", "a;b&c=d+e"]


def test_verifying_says_what_the_vault_recorded(client, service):
    found = client.verify("1", draw_signature(1, 9))
    replayed = service.vault.replay(found.event).evidence
    assert found.decision is replayed.decision is Decision.ACCEPT
    assert found.score == replayed.score.value
    assert found.llr == replayed.llr
    assert found.probe_digest == replayed.probe_digest
    assert found.references == replayed.score.per_reference
    assert found.threshold.origin == replayed.threshold.origin
    assert client.verify("1", draw_signature(2, 9)).decision is Decision.REFUSE


def test_a_picture_may_be_a_file(client, tmp_path):
    path = tmp_path / "probe.png"
    path.write_bytes(draw_signature(1, 9))
    assert client.verify("1", path).signer == "1"
    with pytest.raises(TypeError, match="pathlib"):
        client.verify("1", str(path))
    with pytest.raises(FileNotFoundError):
        client.verify("1", tmp_path / "nowhere.png")


def test_an_aim_reaches_the_vault(client):
    found = client.verify("1", draw_signature(1, 9), aim=Aim(Measure.FMR, 0.001))
    assert found.decision is Decision.ACCEPT
    with pytest.raises(ServiceProblem) as caught:
        client.verify("1", draw_signature(1, 9), aim=Aim(Measure.FMR, 1e-9))
    assert caught.value.problem.kind == "unsupported-aim"
    for rate in (1e-10, 0.0123456789):
        with pytest.raises(ValueError, match="nine decimals"):
            client.verify("1", draw_signature(1, 9), aim=Aim(Measure.FMR, rate))


def test_many_probes_are_decided_together(client):
    claims = [("1", draw_signature(1, 9)), ("nobody", draw_signature(1, 9)), ("1", b"no picture")]
    found = client.verify_many(claims)
    assert (found.decided, found.failed) == (1, 2)
    assert [one.error for one in found.results] == [None, "unknown-signer", "unsupported-image"]
    assert found.results[0].verification.decision is Decision.ACCEPT


def test_identifying_finds_the_signer(client):
    found = client.identify(draw_signature(1, 9), top=1, fpir=0.5)
    assert [one.signer for one in found.candidates] == ["1"]
    assert found.fpir == 0.5


def test_enrolling_tells_of_each_image_and_erasing_ends_it(client):
    images = [draw_signature(7, 1), draw_blank(), draw_signature(7, 2)]
    found = client.enroll("7", images)
    assert (found.enrolled, found.already, found.failed) == (2, 0, 1)
    assert [one.outcome.value for one in found.results] == ["enrolled", "failed", "enrolled"]
    assert found.results[1].error == "failure-to-enroll"
    assert any(finding.severe for finding in found.results[1].findings)
    assert client.enroll("7", images[:1]).already == 1
    assert client.erase("7").references == 2


def test_where_nothing_is_enrolled_the_error_tells_of_each_image(client):
    with pytest.raises(RequestInvalid) as caught:
        client.enroll("8", [draw_blank(), b"no picture"])
    assert [one.error for one in caught.value.results] == ["failure-to-enroll", "unsupported-image"]
    with pytest.raises(ValueError, match="an image"):
        client.enroll("8", [])


def test_a_request_under_the_same_name_is_answered_once(client, service, kind):
    name = f"batch-{kind}"
    items = [("9", draw_signature(9, 1)), ("10", draw_signature(10, 1))]
    first = client.enroll_many(items, idempotency_key=name)
    assert first.enrolled == 2
    assert client.enroll_many(items, idempotency_key=name) == first
    assert client.enroll_many(items).already == 2  # a name of its own
    with pytest.raises(Conflict) as caught:
        client.enroll_many(items[:1], idempotency_key=name)
    assert caught.value.problem.kind == "request-differs"
    client.erase("9")
    client.erase("10")


def test_one_reference_is_erased(client, service, kind):
    signer, seed = f"gone/{kind}", 400 + len(kind)
    client.enroll(signer, [draw_signature(seed, number) for number in range(2)])
    first, second = client.references(signer)
    gone = client.erase_reference(signer, first.id, reason="a? b&c=d+e 名前")
    assert (gone.signer, gone.reference, gone.references_left) == (signer, first.id, 1)
    assert (gone.images_removed, gone.audit_parts, gone.log_clean) == (1, 1, True)
    assert service.vault.audit_log()[gone.event - 1].personal["reason"] == "a? b&c=d+e 名前"
    with pytest.raises(NotFound):
        client.erase_reference(signer, first.id, reason="again")
    with pytest.raises(Conflict) as caught:
        client.erase_reference(signer, second.id, reason="the last")
    assert caught.value.problem.kind == "last-reference"
    with pytest.raises(RequestInvalid):
        client.erase_reference(signer, second.id, reason=" ")
    with pytest.raises(ValueError, match="at least one character"):
        client.erase_reference(signer, "", reason="nothing")
    assert client.erase(signer).references == 1


@pytest.mark.parametrize("signer", STRANGE)
def test_a_signer_may_be_called_anything(client, kind, signer):
    picture = draw_signature(abs(hash((signer, kind))) % 10**6)
    found = client.enroll(signer, [picture], name="Zoë", force=True)
    assert [one.outcome for one in found.results] == [EnrollmentOutcome.ENROLLED]
    detail = client.signer(signer)
    assert (detail.signer, detail.name) == (signer, "Zoë")
    (reference,) = client.references(signer)
    assert reference in detail.reference_list
    assert client.reference_image(signer, reference.id) == picture
    assert client.erase(signer).references == 1
    with pytest.raises(NotFound):
        client.signer(signer)


def test_signers_are_read_page_by_page(client, service):
    everybody = [one.signer for one in service.vault.signers(limit=100)]
    assert len(everybody) > 1
    assert [one.signer for one in client.signers(page_size=1)] == everybody
    assert [one.signer for one in client.signers()] == everybody


def test_a_namespace_has_names_of_its_own(kind, service, key):
    with asking(kind, service.url, key(Role.VERIFIER, namespace="cheques")) as client:
        assert [one.signer for one in client.signers()] == ["53"]
        assert client.verify("53", draw_signature(53, 9)).signer == "53"
        (generation,) = client.generations()
        assert (generation.vectors, generation.missing) == (None, None)


def test_people_decide_with_the_probe_before_them(client):
    probe = draw_signature(1, 9)
    event = client.verify("1", probe, keep_probe=KeepProbes.ALWAYS).event
    assert client.probe_image(event) == probe
    assert client.review(event).state is ReviewState.NOT_ASKED
    record = client.decide_review(event, Verdict.CANNOT_TELL, reason="Too faint: ½.", blind=True)
    assert isinstance(record, AuditRecord)
    assert record.personal["reason"] == "Too faint: ½."
    case = client.review(event)
    assert [(one.by, one.verdict, one.blind) for one in case.verdicts] == [
        ("anna", Verdict.CANNOT_TELL, True)
    ]
    assert case.state is ReviewState.DECIDED
    found = list(client.reviews(ReviewState.DECIDED, signer="1", page_size=1))
    assert case in found
    with pytest.raises(Conflict):
        client.decide_review(event, Verdict.ACCEPT, reason="Again.")


def test_the_audit_log_is_the_vaults(client, service):
    recorded = list(service.vault.audit_log(limit=200))
    assert list(client.audit_log(page_size=7))[: len(recorded)] == recorded
    found = client.audit_check()
    assert found.whole
    assert found.events >= len(recorded)


def test_what_decides_can_be_read(client, service):
    assert [one.references for one in client.thresholds()] == [
        one.references for one in service.vault.thresholds()
    ]
    (generation,) = client.generations()
    assert generation.status == "active"
    assert generation.thresholds == (1, 3, 5)
    assert "sigvault_requests_total" in client.metrics()


def test_problems_have_classes_and_say_what_to_do(kind, service, key, client):
    with pytest.raises(NotFound, match=r"unknown-signer.*Enroll the signer") as caught:
        client.signer("nobody")
    assert len(caught.value.request_id) == 32
    with pytest.raises(RequestInvalid) as caught:
        client.identify(draw_signature(1), top=1000)
    assert [one.where for one in caught.value.problem.errors] == ["body.top"]
    with asking(kind, service.url) as other, pytest.raises(NotAuthenticated, match="key"):
        other.signer("1")
    with asking(kind, service.url, "sv_wrong") as other, pytest.raises(NotAuthenticated):
        other.signer("1")
    with asking(kind, service.url, key(Role.AUDITOR)) as other, pytest.raises(NotAllowed):
        other.verify("1", draw_signature(1))


def test_health_needs_no_key(kind, service):
    with asking(kind, service.url) as client:
        assert client.is_live()
        assert client.is_ready()
    with asking(kind, "http://127.0.0.1:9") as nobody:
        assert not nobody.is_live()
        assert not nobody.is_ready()
