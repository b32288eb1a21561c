"""Kept probes decided about by another generation, before it may decide."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from PIL import Image

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.comparison import Decision
from sigvault.domain.reviewing import ReviewRules
from sigvault.domain.verdicts import KeepProbes, Verdict
from sigvault.evaluation.generation_page import describe_flip, describe_probes, render_comparisons
from sigvault.evaluation.generation_scores import DECISIONS
from sigvault.evaluation.probe_flips import ProbeDecision, tally
from sigvault.services import probe_replay
from sigvault.services.generations import read_generation
from sigvault.services.probe_replay import replay_probes
from sigvault.services.reindexing import ReindexPlan
from sigvault.storage.engine import read_session
from sigvault.storage.kept_probes import list_kept
from sigvault.vault import EnrollmentItem, Vault

OLD, SAME = FakeEmbedder(), FakeEmbedder("same")
WORSE = FakeEmbedder("worse", noise=1.5)


@pytest.fixture
def vault(enrolled_settings) -> Iterator[Vault]:
    """Five signers with three references each, and every probe kept."""
    with open_vault(enrolled_settings, embedder=(OLD, SAME, WORSE)) as vault:
        object.__setattr__(vault._resources, "rules", ReviewRules(keep_probes=KeepProbes.ALWAYS))
        yield vault


def verify_some(vault: Vault) -> list[Decision]:
    probes = [("1", 1), ("2", 2), ("3", 4)]  # the last one is somebody else's
    return [
        vault.verify(claimed, draw_signature(writer, 50)).evidence.decision
        for claimed, writer in probes
    ]


def test_the_same_model_by_another_name_flips_nothing(vault):
    recorded = verify_some(vault)
    probes = vault.reindex(SAME, ReindexPlan(activate=False)).probes
    assert (probes.replayed, probes.left_out, probes.flips) == (3, 0, ())
    assert sum(map(sum, probes.table)) == 3
    assert [sum(row) for row in probes.table] == [recorded.count(each) for each in DECISIONS]


def test_a_worse_model_shows_what_would_change_and_what_people_said(vault):
    recorded = verify_some(vault)
    first = next(one for one in vault.audit_log() if one.kind == "verified")
    vault.decide_review(first.number, Verdict.ACCEPT, reason="it is hers", by="ann", blind=False)
    done = vault.reindex(WORSE, ReindexPlan(force=True))
    flip = done.probes.flips[-1]
    assert (flip.event, flip.signer, flip.recorded) == (first.number, "1", recorded[0])
    assert (flip.old, flip.verdict) == (recorded[0], Verdict.ACCEPT)
    assert flip.new is not flip.old
    record = next(one for one in vault.audit_log() if one.number == done.activation.event)
    assert record.public["gate"]["probes"]["replayed"] == 3
    page = render_comparisons({"own galleries": done.comparison}, done.reasons, done.probes)
    assert f"verification {first.number} of signer 1: accept to" in page
    assert "people said accept" in page


def test_what_can_not_be_decided_about_is_counted(vault):
    verify_some(vault)
    vault.erase("2")  # and the probe with it
    with read_session(vault._resources.engine) as session:
        (_, digest), *_ = list_kept(session).values()
    vault._resources.images.path(digest).write_bytes(b"no picture")
    probes = vault.reindex(SAME, ReindexPlan(activate=False)).probes
    assert (probes.replayed, probes.left_out) == (1, 1)
    assert "1 more could not be decided about" in describe_probes(probes)


def test_the_latest_are_taken_and_without_any_there_is_nothing_to_say(vault):
    assert vault.reindex(SAME, ReindexPlan(activate=False)).probes is None
    verify_some(vault)
    sides = [read_generation(vault._resources, number) for number in (1, 2)]
    told = []
    probes = replay_probes(
        vault._resources, *sides, most=2, progress=lambda *done: told.append(done)
    )
    assert (probes.replayed, told) == (2, [(2, 2)])


def test_flips_are_tabled_and_told():
    one = ProbeDecision(7, "53", Decision.REVIEW, Decision.ACCEPT, Decision.REFUSE)
    flips = tally([one, ProbeDecision(5, "54", *[Decision.REVIEW] * 3)], left_out=0)
    assert flips.table == ((0, 0, 0), (0, 1, 0), (1, 0, 0))
    assert flips.flips == (one,)
    assert describe_probes(flips) == (
        "kept probes: of 2 decisions 1 from accept to refuse would flip"
    )
    assert describe_flip(one) == ("verification 7 of signer 53: accept to refuse (recorded review)")
    assert flips.summary() == {
        "replayed": 2,
        "left_out": 0,
        "flips": [[0, 0, 0], [0, 1, 0], [1, 0, 0]],
    }


def test_a_turned_copy_is_looked_at_closer_in_a_replay_too(file_settings):
    """Once without a limit of copies, to learn how near it comes; then with one just above that."""
    file = io.BytesIO()
    page = Image.open(io.BytesIO(draw_signature(2, 1)))
    page.rotate(2.5, fillcolor=250, expand=True).save(file, "PNG")

    def replay(limit):
        old, new = (FakeEmbedder(name, copy_limit=limit, wide=True) for name in ("old", "new"))
        settings = replace(file_settings, vault=file_settings.vault.with_name(f"limit-{limit}"))
        with create_vault(settings, embedder=old) as vault:
            object.__setattr__(
                vault._resources, "rules", ReviewRules(keep_probes=KeepProbes.ALWAYS)
            )
            pictures = [draw_signature(2, number) for number in range(3)]
            vault.enroll([EnrollmentItem("2", each) for each in pictures])
            evidence = vault.verify("2", file.getvalue()).evidence
            old.batches.clear()
            probes = vault.reindex(new, ReindexPlan(activate=False)).probes
        return evidence, probes.table, old.batches

    evidence, table, batches = replay(None)
    accept, review = DECISIONS.index(Decision.ACCEPT), DECISIONS.index(Decision.REVIEW)
    assert (table[accept][accept], batches) == (1, [1])
    nearest = max(one.local for one in evidence.score.per_reference)
    _, table, batches = replay(nearest + 0.01)
    assert table[review][review] == 1
    assert batches == [1, 1]  # as it is, and turned back


def test_a_signer_erased_while_probes_are_decided_about_is_left_out(vault, monkeypatch):
    verify_some(vault)
    told = probe_replay._told

    def erase_first(resources, event, old, new):
        if event == first:
            vault.erase("1")
        return told(resources, event, old, new)

    first = next(one.number for one in vault.audit_log() if one.kind == "verified")
    monkeypatch.setattr(probe_replay, "_told", erase_first)
    probes = vault.reindex(SAME, ReindexPlan(activate=False)).probes
    assert (probes.replayed, probes.left_out) == (2, 1)
