from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image
from sqlalchemy import text

from fakes import (
    FUSION,
    FakeEmbedder,
    draw_blank,
    draw_signature,
    make_threshold,
    with_points,
)
from sigvault.bootstrap import create_vault, open_vault
from sigvault.cli.reports import picture_verification
from sigvault.datasets import read_layout
from sigvault.domain import gallery
from sigvault.domain.comparison import Decision, LikelihoodRatio, compare
from sigvault.domain.errors import (
    ConfigurationError,
    EmptyGallery,
    FailureToAcquire,
    GenerationMismatch,
    NotCalibrated,
    UnknownEvent,
    UnknownSigner,
    UnreadableFile,
    UnsupportedImage,
)
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.turning import turn_image
from sigvault.services import identification, verification
from sigvault.services.acquisition import digest_of
from sigvault.storage.embeddings import load_gallery
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.generations import activate_generation, add_generation
from sigvault.storage.signers import get_signer, list_signers
from sigvault.vault import EnrollmentItem


def embed(embedder, picture: bytes):
    (embedding,) = embedder.embed([DEFAULT_PREPROCESSING.prepare(decode_bytes(picture)).ink])
    return embedding


def test_a_signers_own_signature_is_accepted_and_anothers_refused(enrolled):
    assert enrolled.verify("3", draw_signature(3, 99)).evidence.decision is Decision.ACCEPT
    assert enrolled.verify("3", draw_signature(2, 99)).evidence.decision is Decision.REFUSE


def test_the_evidence_is_complete(enrolled, embedder, tmp_path):
    probe = tmp_path / "probe.png"
    probe.write_bytes(draw_signature(3, 99))
    result = enrolled.verify("3", probe)
    evidence = result.evidence
    assert evidence.signer == "3"
    assert evidence.probe_digest == digest_of(probe.read_bytes())
    for_three = embedder.card.thresholds[1]
    assert evidence.threshold == for_three.without_points
    enrolled_ids = [each.id for each in enrolled.signer("3").references]
    assert [each.reference for each in evidence.score.per_reference] == enrolled_ids
    assert evidence.llr == evidence.threshold.likelihood_ratio.llr(evidence.score.value)
    assert (evidence.model, evidence.generation) == (embedder.model, 1)
    assert evidence.preprocessing == embedder.preprocessing
    assert evidence.replay() is evidence.decision
    assert result.probe.ink.digest == evidence.probe_digest


def test_the_score_is_the_domains_own(enrolled, embedder):
    probe = draw_signature(2, 99)
    resources = enrolled._resources
    with read_session(resources.engine) as session:
        enrolled_two = load_gallery(session, get_signer(session, "2").key, 1)
    expected = compare(embed(embedder, probe), enrolled_two, embedder.card.fusion)
    assert enrolled.verify("2", probe).evidence.score == expected


def test_a_gallerys_spread_is_worked_out_by_the_first_decision_alone(enrolled, monkeypatch):
    engine, probe = enrolled._resources.engine, draw_signature(2, 99)
    assert verification.read_claim(engine, "2").held.vectors_digest
    first = enrolled.verify("2", probe).evidence
    assert verification.read_claim(engine, "2").held.vectors_digest == ""
    with monkeypatch.context() as patch:
        patch.delattr(gallery, "match_local_pairs")
        assert enrolled.verify("2", probe).evidence.score == first.score
    enrolled.enroll([EnrollmentItem("2", draw_signature(2, 50))])
    assert enrolled.verify("2", probe).evidence.score.spread != first.score.spread
    enrolled.erase("2")
    with read_session(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM gallery_spreads")) == 0


def test_an_identification_keeps_the_spreads_of_all_whom_it_compared(enrolled):
    engine, probe = enrolled._resources.engine, draw_signature(2, 99)
    first = enrolled.identify(probe, top=3)
    with read_session(engine) as session:
        kept = session.scalar(text("SELECT count(*) FROM gallery_spreads"))
    assert kept == enrolled.status().signers
    assert verification.read_claim(engine, "2").held.vectors_digest == ""
    assert enrolled.identify(probe, top=3).candidates == first.candidates


def test_a_gallery_uses_the_threshold_for_its_number_or_the_next_one(vault, items, embedder):
    for count, expected in ((1, 1), (2, 3), (3, 3), (4, 5), (5, 5), (6, 5)):
        vault.enroll(items(1, count))
        assert vault.verify("0", draw_signature(0, 9)).evidence.threshold.references == expected


def test_a_verification_is_recorded_and_can_be_replayed(enrolled):
    result = enrolled.verify("3", draw_signature(3, 99), by="clerk")
    record = enrolled.audit_log(signer="3")[-1]
    assert (record.number, record.kind) == (result.event, "verified")
    assert record.personal["by"] == "clerk"
    assert len(record.public["signer"]) == 32  # the key, and not the identifier
    replay = enrolled.replay(result.event)
    assert replay.agrees
    assert replay.evidence == result.evidence
    assert replay.recorded is replay.replayed is result.evidence.decision


def test_only_verifications_can_be_replayed(enrolled):
    for event in (1, 10_000, 0, -1):
        with pytest.raises(UnknownEvent):
            enrolled.replay(event)


def test_an_unknown_signer_is_named(enrolled):
    with pytest.raises(UnknownSigner, match="42"):
        enrolled.verify("42", draw_signature(1))


def test_without_thresholds_nothing_is_decided(settings, items):
    embedder = FakeEmbedder(references=())
    with create_vault(settings, embedder=embedder) as vault:
        vault.enroll(items(1, 1))
        with pytest.raises(NotCalibrated, match="sigvault calibrate"):
            vault.verify("0", draw_signature(0, 9))
        with pytest.raises(NotCalibrated):
            vault.identify(draw_signature(0, 9))
    assert embedder.batches == [1]


def test_a_threshold_for_more_references_does_not_do(settings, items):
    with create_vault(settings, embedder=FakeEmbedder(references=(3,))) as vault:
        vault.enroll([*items(1, 3), EnrollmentItem("few", draw_signature(7))])
        with pytest.raises(NotCalibrated, match="1 references"):
            vault.verify("few", draw_signature(7, 9))
        found = vault.identify(draw_signature(7, 9))
        assert [candidate.signer for candidate in found.candidates] == ["0"]
        assert found.undecided == ("few",)


def test_another_model_does_not_decide(enrolled, enrolled_settings):
    with open_vault(enrolled_settings, embedder=FakeEmbedder("other")) as other:
        with pytest.raises(GenerationMismatch):
            other.verify("1", draw_signature(1, 9))
        with pytest.raises(GenerationMismatch):
            other.identify(draw_signature(1, 9))


@pytest.mark.parametrize(
    ("probe", "error"),
    [(draw_blank(), FailureToAcquire), (b"", UnsupportedImage), (b"text", UnsupportedImage)],
)
def test_a_probe_that_cannot_serve_is_recorded_and_raised(enrolled, probe, error):
    with pytest.raises(error):
        enrolled.verify("1", probe)
    record = enrolled.audit_log(signer="1")[-1]
    assert (record.kind, record.public["error"]) == ("acquisition-failed", error.__name__)
    assert record.personal["signer"] == "1"
    with pytest.raises(error):
        enrolled.identify(probe)
    record = enrolled.audit_log()[-1]
    assert (record.kind, record.public["signer"]) == ("acquisition-failed", None)
    assert "signer" not in record.personal
    assert enrolled.audit_check().whole


def test_a_probe_that_cannot_be_read_is_named(enrolled, tmp_path):
    with pytest.raises(UnreadableFile, match="nowhere"):
        enrolled.verify("1", tmp_path / "nowhere.png")


def test_a_signer_erased_meanwhile_is_not_recorded(enrolled, monkeypatch):
    weigh = verification.weigh

    def erase_first(*args):
        enrolled.erase("1")
        return weigh(*args)

    monkeypatch.setattr(verification, "weigh", erase_first)
    with pytest.raises(UnknownSigner):
        enrolled.verify("1", draw_signature(1, 9))
    assert enrolled.audit_log()[-1].kind == "signer-erased"
    assert enrolled.audit_check().whole


def test_identifying_finds_the_signer(enrolled):
    found = enrolled.identify(draw_signature(4, 99), top=3)
    assert found.candidates[0].signer == "4"
    assert found.decision is Decision.ACCEPT
    assert [candidate.rank for candidate in found.candidates] == [1, 2, 3]
    assert found.searched == 15
    assert found.probe_digest == digest_of(draw_signature(4, 99))


def test_identifying_ranks_as_comparing_with_every_gallery_does(enrolled, embedder):
    probe = draw_signature(2, 77)
    with read_session(enrolled._resources.engine) as session:
        galleries = [load_gallery(session, each.signer.key, 1) for each in list_signers(session)]
    scores = {
        gallery.signer: compare(embed(embedder, probe), gallery, embedder.card.fusion).value
        for gallery in galleries
    }
    found = enrolled.identify(probe, top=5).candidates
    values = [each.score.value for each in found]
    assert values == sorted(values, reverse=True)
    assert sorted(each.signer for each in found) == sorted(scores)
    for each in found:
        plain = scores[each.signer]
        # Strangers' cells agree on a turn now and then, with the fake's few channels.
        assert (each.score.value == plain) is (each.score.straightened is None)
        assert each.score.value >= plain
    assert found[0].score.straightened is None


def test_who_is_accepted_leads_a_stranger_whose_one_reference_scores_higher(settings):
    """With five references as with the bundled model: something is taken off, so scores are low."""
    embedder = FakeEmbedder(references=(1,))
    probe, card = draw_signature(2, 77), embedder.card
    (plain,) = card.thresholds
    ratio = LikelihoodRatio(slope=12.0, intercept=0.0, lower=-3.0, upper=2.0)
    low = with_points(make_threshold(3, card.id, accept=-0.3, refuse=-0.5))
    low = replace(low, fusion=replace(FUSION, cosine_spread=0.7, local_spread=0.7))
    # The card is worked out once, and so stays what it is made here.
    embedder.card = replace(card, thresholds=(plain, replace(low, likelihood_ratio=ratio)))
    with create_vault(settings, embedder=embedder) as vault:
        vault.enroll(
            [EnrollmentItem("2", draw_signature(2, number)) for number in range(3)]
            + [EnrollmentItem("stranger", draw_signature(7))]
        )
        found = vault.identify(probe, fpir=0.2)
        public = vault.audit_log()[-1].public["candidates"]
    own, stranger = found.candidates
    assert (own.signer, stranger.signer) == ("2", "stranger")
    assert own.score.value < stranger.score.value
    assert (own.decision, stranger.decision) == (Decision.ACCEPT, Decision.REFUSE)
    assert found.decision is Decision.ACCEPT
    assert [each["decision"] for each in public] == ["accept", "refuse"]


def test_identifying_scores_as_verifying_does_and_never_accepts_what_that_would_not(enrolled):
    probe = draw_signature(2, 77)
    found = enrolled.identify(probe, top=5)
    for candidate in found.candidates:
        evidence = enrolled.verify(candidate.signer, probe).evidence
        assert (candidate.score, candidate.llr) == (evidence.score, evidence.llr)
        stricter = {evidence.decision}
        if evidence.decision is Decision.ACCEPT:
            stricter.add(Decision.REVIEW)
        assert candidate.decision in stricter


def test_identifying_decides_at_the_rate_asked_for_divided_among_all_signers(enrolled):
    probe = draw_signature(4, 99)
    found = enrolled.identify(probe, fpir=0.2)
    assert (found.fpir, found.signers, found.unsupported) == (0.2, 5, "")
    assert found.decision is Decision.ACCEPT
    public = enrolled.audit_log()[-1].public
    assert (public["fpir"], public["signers"]) == (0.2, 5)


def test_nobody_is_accepted_at_a_rate_that_the_data_can_not_support(enrolled):
    found = enrolled.identify(draw_signature(4, 99), fpir=1e-9)
    assert found.candidates[0].signer == "4"
    assert found.decision is Decision.REVIEW
    assert "rule of three" in found.unsupported


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.5, float("nan")])
def test_a_rate_outside_its_range_is_refused(enrolled, rate):
    with pytest.raises(ConfigurationError, match="FPIR"):
        enrolled.identify(draw_signature(1), fpir=rate)


def test_identifying_is_recorded_without_names(enrolled):
    found = enrolled.identify(draw_signature(2, 77), top=2)
    record = enrolled.audit_log()[-1]
    assert (record.number, record.kind) == (found.event, "identified")
    assert [each["rank"] for each in record.public["candidates"]] == [1, 2]
    assert record.personal == {"by": "tester"}
    assert all(len(each["signer"]) == 32 for each in record.public["candidates"])


def test_a_reference_again_is_told_as_a_copy_and_not_accepted(settings):
    with create_vault(settings, embedder=FakeEmbedder(copy_limit=0.99)) as vault:
        for signer in (1, 2):
            vault.enroll(
                [EnrollmentItem(str(signer), draw_signature(signer, number)) for number in range(3)]
            )
        copied = vault.identify(draw_signature(2, 1), fpir=0.2)
        public = vault.audit_log()[-1].public["candidates"]
        own = vault.identify(draw_signature(2, 9), fpir=0.2)
        second = vault.signer("2").references[1].id
    assert [each.copied for each in copied.candidates] == [second, None]
    assert copied.decision is Decision.REVIEW
    assert [each.get("copied") for each in public] == [True, None]
    assert own.candidates[0].copied is None
    assert own.decision is Decision.ACCEPT


def test_what_is_as_like_a_reference_as_a_tracing_is_not_accepted(file_settings):
    """Once without a limit, to learn how near it comes; then with one just below that."""

    def ask(limit):
        own = replace(file_settings, vault=file_settings.vault.with_name(f"limit-{limit}"))
        embedder = FakeEmbedder(copy_limit=0.9999, trace_limit=limit)
        with create_vault(own, embedder=embedder) as vault:
            pictures = [draw_signature(2, number) for number in range(1)]
            vault.enroll([EnrollmentItem("2", each) for each in pictures])
            verified = vault.verify("2", draw_signature(2, 9)).evidence
            found = vault.identify(draw_signature(2, 9), fpir=0.2)
            return verified, found, vault.audit_log()[-1].public["candidates"]

    verified, found, (public,) = ask(None)
    assert verified.decision is found.decision is Decision.ACCEPT
    assert verified.traced is found.candidates[0].traced is None
    assert "traced" not in public
    nearest = max(verified.score.per_reference, key=lambda one: one.local)
    verified, found, (public,) = ask(nearest.local - 1e-6)
    assert verified.decision is found.decision is Decision.REVIEW is verified.replay()
    (finding,) = (each for each in verified.findings if each.name == "traced")
    assert verified.traced.local == nearest.local == finding.value
    assert found.candidates[0].traced is not None
    assert found.candidates[0].copied is None
    assert public["traced"] is True


def test_a_reference_turned_a_little_is_told_as_a_copy_too(file_settings):
    """Once without a limit, to learn how near it comes as it is; then with one just above that."""
    file = io.BytesIO()
    page = Image.open(io.BytesIO(draw_signature(2, 1)))
    page.rotate(2.5, fillcolor=250, expand=True).save(file, "PNG")

    def ask(limit):
        embedder = FakeEmbedder(copy_limit=limit, wide=True)
        settings = replace(file_settings, vault=file_settings.vault.with_name(f"limit-{limit}"))
        with create_vault(settings, embedder=embedder) as vault:
            for signer in (1, 2):
                pictures = [draw_signature(signer, number) for number in range(3)]
                vault.enroll([EnrollmentItem(str(signer), each) for each in pictures])
            embedder.batches.clear()
            verified = vault.verify("2", file.getvalue()).evidence
            found = vault.identify(file.getvalue(), fpir=0.2)
            return verified, found, vault.signer("2").references[1].id, embedder.batches

    verified, found, second, batches = ask(None)
    assert verified.decision is found.decision is Decision.ACCEPT
    assert batches == [1, 1]
    nearest = max(one.local for one in verified.score.per_reference)
    verified, found, second, batches = ask(nearest + 0.01)
    assert verified.decision is found.decision is Decision.REVIEW is verified.replay()
    assert verified.copied is not None
    assert verified.copied.reference == found.candidates[0].copied == second
    assert batches == [1, 1, 1, 1]  # as it is, and turned back, for either


def test_a_probe_on_a_crooked_page_is_straightened_and_it_is_said_so(file_settings, tmp_path):
    file = tmp_path / "crooked.png"
    page = Image.open(io.BytesIO(draw_signature(2, 9)))
    page.rotate(21, fillcolor=250, expand=True).save(file)
    embedder = FakeEmbedder(turns=(-12.0, 12.0), wide=True)
    with create_vault(file_settings, embedder=embedder) as vault:
        for signer in (1, 2):
            pictures = [draw_signature(signer, number) for number in range(3)]
            vault.enroll([EnrollmentItem(str(signer), each) for each in pictures])
        level = vault.verify("2", draw_signature(2, 9)).evidence
        verified = vault.verify("2", file)
        found = vault.identify(file, top=1)
        stranger = vault.verify("1", file).evidence
        kept = vault.review(verified.event).evidence
        public = vault.audit_log()[-2].public
        shown = vault.picture(file.read_bytes(), verified.evidence.score)
        plain = vault.picture(file.read_bytes())
        case = picture_verification(vault, verified, file, "Crooked")
    evidence = verified.evidence
    assert evidence.score.straightened == pytest.approx(-21.0, abs=4.0)
    assert evidence.decision is Decision.ACCEPT is level.decision
    assert [finding.name for finding in evidence.findings][:1] == ["turned"]
    assert kept == evidence
    assert kept.replay() is Decision.ACCEPT
    assert found.candidates[0].score == evidence.score
    assert public["candidates"][0]["straightened"] == evidence.score.straightened
    assert stranger.decision is Decision.REFUSE
    turned = turn_image(plain.prepared.ink, evidence.score.straightened)
    assert (shown.prepared.ink.ink == turned.ink).all()
    assert (verified.probe.ink.ink == turned.ink).all()
    # The report's strokes are those that were compared.
    assert (case.probe.prepared.ink.ink == turned.ink).all()
    assert [view.match.score for view in case.references] == pytest.approx(
        [one.local for one in evidence.score.per_reference], abs=1e-6
    )


def test_nobody_can_be_identified_in_an_empty_vault(vault):
    with pytest.raises(EmptyGallery, match="nobody is enrolled"):
        vault.identify(draw_signature(1))


def test_at_least_one_candidate_has_to_be_asked_for(enrolled):
    with pytest.raises(ConfigurationError):
        enrolled.identify(draw_signature(1), top=0)


def test_one_signer_with_most_of_the_nearest_references_hides_nobody(vault, items, monkeypatch):
    monkeypatch.setattr(identification, "_REFERENCES", 1)
    crowd = [EnrollmentItem("crowd", draw_signature(1, number)) for number in range(12)]
    vault.enroll([*items(1, 1), *crowd])
    found = vault.identify(draw_signature(1, 99), top=1)
    assert found.candidates[0].signer == "crowd"
    assert [each.signer for each in vault.identify(draw_signature(1, 99), top=2).candidates] == [
        "crowd",
        "0",
    ]


def test_what_is_enrolled_after_the_index_was_opened_is_found(enrolled, reopen_enrolled):
    enrolled.identify(draw_signature(0))
    other = reopen_enrolled()
    other.enroll([EnrollmentItem("new", draw_signature(50))])
    assert enrolled.identify(draw_signature(50, 9), top=1).candidates[0].signer == "new"
    other.erase("new")
    found = enrolled.identify(draw_signature(50, 9), top=10)
    assert "new" not in [candidate.signer for candidate in found.candidates]
    assert found.searched == 15


def test_a_vector_that_the_database_does_not_know_is_dropped(enrolled, embedder):
    probe = draw_signature(60)
    enrolled.identify(probe)
    index = enrolled._index.current().index
    import numpy as np

    index.add(np.array([10**6], np.int64), embed(embedder, probe).vector[None, :])
    found = enrolled.identify(probe, top=10)
    assert sorted(candidate.signer for candidate in found.candidates) == ["0", "1", "2", "3", "4"]


def test_verifying_never_opens_the_index(enrolled):
    enrolled.verify("1", draw_signature(1, 9))
    assert enrolled._index.size is None


def test_a_twin_erased_since_the_batch_was_embedded_is_embedded_after_all(enrolled, monkeypatch):
    picture = draw_signature(1, 0)
    first = EnrollmentItem("new", draw_signature(70))

    def erase_the_twin(done: int) -> None:
        if done == 1:
            enrolled.erase("1")

    report = enrolled.enroll([first, EnrollmentItem("new", picture)], progress=erase_the_twin)
    assert report.enrolled == 2
    assert enrolled.verify("new", picture).evidence.score.per_reference[1].cosine > 0.999


def test_another_generation_activated_meanwhile_enrolls_nothing(enrolled):
    def activate_another(done: int) -> None:
        with write_session(enrolled._resources.engine) as session:
            new = add_generation(
                session,
                enrolled.embedder.model,
                preprocessing=enrolled.embedder.preprocessing,
                dimension=enrolled.embedder.dimension,
                at=enrolled._resources.clock(),
            )
            activate_generation(session, new.id, enrolled._resources.clock())

    items = [EnrollmentItem("new", draw_signature(70, number)) for number in range(2)]
    with pytest.raises(GenerationMismatch, match="meanwhile"):
        enrolled.enroll(items, progress=activate_another)
    assert len(enrolled.signer("new").references) == 1
    with pytest.raises(EmptyGallery):
        enrolled.verify("2", draw_signature(2, 9))
    assert enrolled.signer("2").spread is None
    assert enrolled.audit_check().images_missing == ()


def test_thresholds_can_be_made_anew(enrolled, tmp_path):
    for signer in range(6):
        folder = tmp_path / "set" / "genuine" / str(signer)
        folder.mkdir(parents=True)
        for number in range(3):
            (folder / f"{number}.png").write_bytes(draw_signature(80 + signer, number))
    report = enrolled.calibrate(read_layout(tmp_path / "set"), references=(1, 2), draws=1)
    assert [threshold.references for threshold in report.thresholds] == [1, 2]
    assert enrolled.thresholds() == report.thresholds
    assert enrolled.audit_check().whole
