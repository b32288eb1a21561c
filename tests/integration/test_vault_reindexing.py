"""Moving a vault to another model: filled, compared, activated, gone back from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import open_vault
from sigvault.datasets import read_layout
from sigvault.domain.comparison import Decision
from sigvault.domain.errors import (
    ConfigurationError,
    DatasetError,
    GenerationMismatch,
    GenerationUnfit,
    UnknownGeneration,
    VaultBusy,
)
from sigvault.domain.generation import BoundGeneration
from sigvault.evaluation.generation_changes import Margins, Verdict
from sigvault.services import filling, fresh_comparison, generations
from sigvault.services.acquisition import digest_of
from sigvault.services.enrollment import EnrollmentItem
from sigvault.services.reindexing import ReindexPlan
from sigvault.storage.engine import read_session
from sigvault.storage.job_lock import job_lock
from sigvault.storage.tables import EmbeddingRow, IndexChangeRow
from sigvault.vault import JOB_LOCK, Vault

OLD = FakeEmbedder()
NEW = FakeEmbedder("new")
WORSE = FakeEmbedder("worse", noise=1.5)
UNCALIBRATED = FakeEmbedder("uncalibrated", references=())
ALL = (OLD, NEW, WORSE, UNCALIBRATED)
LAX = Margins(fnmr=1.0, refused=1.0, fmr=1.0, skilled_fmr=1.0, eer=1.0, cllr=9.0)


@pytest.fixture
def vault(enrolled_settings) -> Iterator[Vault]:
    """Twenty-six signers with three references each, so that the comparison can tell."""
    with open_vault(enrolled_settings, embedder=ALL) as vault:
        more = [
            EnrollmentItem(str(signer), draw_signature(signer, number))
            for signer in range(5, 26)
            for number in range(3)
        ]
        assert vault.enroll(more).enrolled == 63
        yield vault


@pytest.fixture
def other(enrolled_settings) -> Iterator[Vault]:
    """The same vault, as another process has it open."""
    with open_vault(enrolled_settings, embedder=ALL) as other:
        yield other


def active(vault: Vault) -> int:
    return vault.status().generation


def test_a_model_that_is_no_worse_decides_at_the_end(vault):
    done = vault.reindex(NEW)
    assert done.embedded.embedded == done.embedded.references == 78
    assert done.comparison.verdict is Verdict.FIT
    assert done.comparison.signers == 26
    assert done.activation is not None
    assert (active(vault), vault.status().model) == (2, NEW.model)
    assert vault.verify("3", draw_signature(3, 99)).evidence.model == NEW.model
    assert vault.identify(draw_signature(3, 99), fpir=0.2).candidates[0].signer == "3"
    kinds = [record.kind for record in vault.audit_log()][-5:-2]
    assert kinds == ["reindex-started", "calibrated", "generation-activated"]
    assert vault.audit_check().whole


def test_the_audit_log_keeps_the_figures_and_names_nobody(vault):
    done = vault.reindex(NEW)
    record = next(one for one in vault.audit_log() if one.number == done.activation.event)
    assert record.public["before"] == 1
    assert record.public["gate"]["galleries"]["verdict"] == "fit"
    assert record.public["gate"]["galleries"]["changes"]["fnmr"]["margin"] == 0.02
    assert record.personal == {"by": "tester"}
    assert "worse_signers" not in str(record.public)


def test_a_worse_model_is_kept_and_does_not_decide(vault):
    done = vault.reindex(WORSE)
    assert done.comparison.verdict is Verdict.WORSE
    assert done.activation is None
    assert any("genuine signatures not accepted" in reason for reason in done.reasons)
    assert done.comparison.worse_signers
    assert active(vault) == 1
    assert vault.verify("3", draw_signature(3, 99)).evidence.model == OLD.model
    with pytest.raises(GenerationUnfit, match="not accepted") as caught:
        vault.activate(2)
    assert caught.value.reasons


def test_force_lets_a_worse_model_decide_and_is_recorded_with_the_reasons(vault):
    done = vault.reindex(WORSE, ReindexPlan(force=True))
    assert active(vault) == 2
    record = next(one for one in vault.audit_log() if one.number == done.activation.event)
    assert list(done.reasons) == record.public["forced"]


def test_few_signers_can_not_tell_unless_it_is_forced(enrolled_settings):
    with open_vault(enrolled_settings, embedder=ALL) as vault:  # five signers
        done = vault.reindex(NEW)
        assert done.comparison.verdict is Verdict.UNKNOWN
        assert (done.activation, active(vault)) == (None, 1)
        assert "10 with two references or more are needed" in done.reasons[0]
        assert vault.activate(2, force=True).forced == done.comparison.reasons
        assert active(vault) == 2


def test_a_generation_without_thresholds_never_decides(vault):
    done = vault.reindex(UNCALIBRATED)
    assert done.activation is None
    assert any("no thresholds" in reason for reason in done.reasons)
    with pytest.raises(GenerationUnfit, match="no thresholds"):
        vault.activate(2, force=True)
    assert active(vault) == 1


def test_interrupted_it_goes_on_where_it_was(vault, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    batches = []
    write = filling._write

    def two_batches(*arguments):
        if len(batches) == 2:
            stop()
        batches.append(write(*arguments))
        return batches[-1]

    monkeypatch.setattr(filling, "_write", two_batches)
    with pytest.raises(KeyboardInterrupt):
        vault.reindex(NEW, ReindexPlan(batch=8))
    assert vault.generations()[1].vectors == 16
    assert active(vault) == 1
    monkeypatch.setattr(filling, "_write", write)
    done = vault.reindex(NEW, ReindexPlan(batch=8))
    assert (done.generation, done.embedded.embedded) == (2, 62)
    assert active(vault) == 2


def test_what_is_enrolled_and_erased_meanwhile_is_so_in_the_new_generation(
    vault, other, monkeypatch
):
    write, calls = filling._write, []

    def meanwhile(*arguments):
        calls.append(1)
        if len(calls) == 2:
            assert other.enroll([EnrollmentItem("late", draw_signature(77))]).enrolled == 1
            other.erase("4")
            assert other.verify("3", draw_signature(3, 99)).evidence.model == OLD.model
        return write(*arguments)

    monkeypatch.setattr(filling, "_write", meanwhile)
    vault.reindex(NEW, ReindexPlan(batch=8))
    found = vault.generations()
    assert [one.missing for one in found] == [0, 0]
    assert found[1].vectors == 76
    assert vault.verify("late", draw_signature(77, 1)).evidence.generation == 2
    assert "4" not in [one.signer for one in vault.identify(draw_signature(4, 9)).candidates]


def test_what_is_enrolled_after_the_comparison_is_in_before_it_decides(vault, other, monkeypatch):
    complete = generations.complete

    def enroll_then_complete(*arguments):
        monkeypatch.setattr(generations, "complete", complete)
        other.enroll([EnrollmentItem("late", draw_signature(77))])
        return complete(*arguments)

    monkeypatch.setattr(generations, "complete", enroll_then_complete)
    done = vault.reindex(NEW)
    assert done.activation.embedded == 1
    assert vault.verify("late", draw_signature(77, 1)).evidence.generation == 2


def test_enrolling_without_end_gives_up_and_says_so(vault, other, monkeypatch):
    complete, numbers = generations.complete, iter(range(1000))

    def enroll_after(*arguments):
        found = complete(*arguments)
        number = next(numbers)
        other.enroll([EnrollmentItem("late", draw_signature(77, number))])
        return found

    monkeypatch.setattr(generations, "complete", enroll_after)
    monkeypatch.setattr(generations, "_ROUNDS", 2)
    with pytest.raises(GenerationUnfit, match="pause"):
        vault.reindex(NEW)
    assert active(vault) == 1


def test_another_process_follows_an_activation_without_reopening(vault, other):
    probe = draw_signature(3, 99)
    assert other.verify("3", probe).evidence.generation == 1
    assert other.identify(probe, fpir=0.2).decision is Decision.ACCEPT
    vault.reindex(NEW)
    assert other.verify("3", probe).evidence.generation == 2
    assert other.verify("3", probe).evidence.model == NEW.model
    found = other.identify(probe, fpir=0.2)
    assert found.candidates[0].signer == "3"
    assert other.audit_log()[-1].public["generation"] == 2
    assert other.enroll([EnrollmentItem("3", draw_signature(3, 50))]).enrolled == 1
    other.roll_back()
    assert vault.verify("3", probe).evidence.generation == 1


def test_a_process_without_the_model_refuses_to_mix(vault, enrolled_settings):
    with open_vault(enrolled_settings, embedder=OLD) as stale:
        vault.reindex(NEW)
        with pytest.raises(GenerationMismatch, match="SIGVAULT_MODEL"):
            stale.verify("3", draw_signature(3, 99))
        with pytest.raises(GenerationMismatch):
            stale.enroll([EnrollmentItem("3", draw_signature(3, 51))])
        with pytest.raises(GenerationMismatch):
            stale.identify(draw_signature(3, 99))


def test_what_is_half_filled_is_completed_before_it_is_compared(vault, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(filling, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            vault.reindex(WORSE)
    assert vault.generations()[1].vectors == 0
    assert vault.compare_generation(2).verdict is Verdict.UNKNOWN  # nothing there to compare
    told = []
    with pytest.raises(GenerationUnfit, match="not accepted"):
        vault.activate(2, progress=lambda *step: told.append(step))
    assert vault.generations()[1].missing == 0
    assert ("Embedding", 78, 78) in told
    assert ("Comparing", 26, 26) in told
    assert active(vault) == 1


def test_a_generation_says_who_let_it_decide_and_when(vault):
    vault.reindex(NEW, ReindexPlan(activate=False))
    assert vault.activation(2) is None
    vault.reindex(NEW, by="somebody")
    vault.roll_back(by="somebody else")
    assert vault.activation(2).personal == {"by": "somebody"}
    record = vault.activation(1)
    assert record.personal == {"by": "somebody else"}
    assert record.at == vault.generations()[0].activated_at


def test_wider_margins_let_a_worse_model_decide_and_are_recorded(vault):
    vault.reindex(WORSE, ReindexPlan(activate=False))
    done = vault.activate(2, margins=LAX)
    assert done.forced == ()
    record = vault.activation(2)
    assert record.number == done.event
    assert record.public["gate"]["galleries"]["changes"]["fnmr"]["margin"] == 1.0


def test_going_back_takes_along_what_was_enrolled_since(vault):
    vault.reindex(NEW)
    vault.enroll([EnrollmentItem("late", draw_signature(77))])
    assert [one.missing for one in vault.generations()] == [1, 0]
    back = vault.roll_back()
    assert (back.generation, back.before, back.embedded) == (1, 2, 1)
    assert vault.audit_log()[-1].public["rolled_back"] is True
    assert vault.verify("late", draw_signature(77, 1)).evidence.generation == 1
    assert vault.roll_back().generation == 2


def test_there_is_nothing_to_go_back_to_in_a_new_vault(vault):
    with pytest.raises(GenerationUnfit, match="no generation decided before"):
        vault.roll_back()


def test_the_same_model_is_not_indexed_twice(vault):
    with pytest.raises(ConfigurationError, match="decides already"):
        vault.reindex(OLD)
    vault.reindex(NEW)
    done = vault.reindex(OLD)  # back by another way: nothing is embedded again
    assert (done.generation, done.embedded.embedded, active(vault)) == (1, 0, 1)


def test_without_activation_it_only_prepares(vault):
    done = vault.reindex(NEW, ReindexPlan(activate=False))
    assert (done.activation, done.reasons, active(vault)) == (None, (), 1)
    assert vault.activate(2).generation == 2
    with pytest.raises(ConfigurationError, match="decides already"):
        vault.activate(2)


def test_dropping_removes_vectors_thresholds_and_changes(vault):
    vault.reindex(NEW)
    with pytest.raises(GenerationUnfit, match="decides"):
        vault.drop(2)
    vault.drop(1)
    assert [one.id for one in vault.generations()] == [2]
    with read_session(vault._resources.engine) as session:
        for table in (EmbeddingRow, IndexChangeRow):
            left = select(func.count()).select_from(table).where(table.generation_id == 1)
            assert session.scalar(left) == 0
    assert vault.audit_log()[-1].kind == "generation-dropped"
    with pytest.raises(GenerationUnfit):
        vault.roll_back()
    with pytest.raises(UnknownGeneration):
        vault.drop(1)
    assert vault.audit_check().whole


def test_dropping_goes_on_where_it_was_killed(vault, monkeypatch):
    vault.reindex(NEW)
    monkeypatch.setattr(generations, "_DELETED_AT_ONCE", 10)
    delete, calls = generations.delete_some_vectors, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return delete(*arguments)

    monkeypatch.setattr(generations, "delete_some_vectors", killed)
    with pytest.raises(KeyboardInterrupt):
        vault.drop(1)
    assert vault.generations()[0].vectors == 58
    monkeypatch.setattr(generations, "delete_some_vectors", delete)
    vault.drop(1)
    assert [one.id for one in vault.generations()] == [2]


def test_a_second_one_at_the_same_time_is_told_and_never_waits(vault, other, enrolled_settings):
    with job_lock(enrolled_settings.vault / JOB_LOCK, "a re-index"):
        for call in (
            lambda: other.reindex(NEW),
            lambda: other.activate(2),
            other.roll_back,
            lambda: other.drop(1),
        ):
            with pytest.raises(VaultBusy, match=r"a re-index \(process"):
                call()
        assert vault.verify("3", draw_signature(3, 99)).evidence.generation == 1


def test_a_missing_image_is_told_and_keeps_the_generation_from_deciding(vault):
    reference = vault.signer("3").references[0]
    path = vault._resources.images.path(reference.digest)
    content = path.read_bytes()
    path.unlink()
    done = vault.reindex(NEW)
    assert [one.reference for one in done.embedded.unusable] == [reference.id]
    assert done.activation is None
    assert any("could not be embedded" in reason for reason in done.reasons)
    with pytest.raises(GenerationUnfit, match=reference.id):
        vault.activate(2, force=True)
    path.write_bytes(content)
    assert vault.reindex(NEW).activation is not None


def test_progress_tells_what_is_done_and_how_much(vault):
    told: list[tuple[str, int, int]] = []
    vault.reindex(NEW, ReindexPlan(batch=10), progress=lambda *step: told.append(step))
    embedding = [done for what, done, _ in told if what == "Embedding"]
    assert embedding == sorted(embedding)
    assert embedding[-1] == 78
    assert ("Comparing", 26, 26) in told


def test_decisions_go_on_in_other_threads_meanwhile(vault, other):
    decided, stop = [], threading.Event()

    def decide():
        while not stop.is_set():
            decided.append(other.verify("3", draw_signature(3, 99)).evidence.generation)

    worker = threading.Thread(target=decide)
    worker.start()
    try:
        vault.reindex(NEW, ReindexPlan(batch=4))
        while 2 not in decided[-1:]:
            pass
    finally:
        stop.set()
        worker.join()
    assert decided == sorted(decided)
    assert set(decided) == {1, 2}


@pytest.fixture
def fresh(tmp_path):
    """Twelve signers that were never enrolled, with a forgery each."""
    for kind, first, count in (("genuine", 200, 7), ("forged", 300, 1)):
        for signer in range(12):
            folder = tmp_path / "fresh" / kind / str(signer)
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.png").write_bytes(draw_signature(first + signer, number))
    return read_layout(tmp_path / "fresh")


def test_fresh_signatures_calibrate_and_tell_where_few_galleries_can_not(enrolled_settings, fresh):
    told = []
    with open_vault(enrolled_settings, embedder=ALL) as vault:  # five signers can't tell
        plan = ReindexPlan(fresh=fresh, calibrate=True, margins=LAX)
        done = vault.reindex(UNCALIBRATED, plan, progress=lambda *step: told.append(step[0]))
        assert done.comparison.verdict is Verdict.UNKNOWN
        assert done.fresh is not None
        assert done.fresh.signers == 12
        assert done.fresh.comparisons["skilled"] == 12
        assert {change.measure for change in done.fresh.changes} >= {"skilled_fmr", "eer"}
        assert (done.fresh.verdict, done.reasons) == (Verdict.FIT, ())
        assert vault.generations()[1].thresholds
        assert "Comparing on fresh signatures" in told
        record = next(one for one in vault.audit_log() if one.number == done.activation.event)
        assert record.public["gate"]["fresh"]["signers"] == 12


def test_signers_are_not_compared_by_thresholds_that_were_made_from_them(vault, fresh, monkeypatch):
    sides = []
    compare = fresh_comparison.compare_generations
    monkeypatch.setattr(
        fresh_comparison,
        "compare_generations",
        lambda *both, **options: sides.extend(both) or compare(*both, **options),
    )
    vault.reindex(UNCALIBRATED, ReindexPlan(fresh=fresh, calibrate=True))
    old, new = sides
    assert not old.held_out
    assert set(new.held_out) == set(fresh.signers)
    for thresholds in new.held_out.values():
        assert {threshold.origin.signers for threshold in thresholds} <= {9, 10}
    assert {threshold.origin.signers for threshold in new.thresholds} == {12}


def test_signers_that_a_model_knows_are_not_fresh(vault, fresh, monkeypatch):
    def known(specimens) -> frozenset[str]:
        return frozenset(digest_of(specimen.path.read_bytes()) for specimen in specimens)

    def knowing(embedder, **digests):
        other = FakeEmbedder(embedder.card.name)
        other.__dict__["card"] = replace(embedder.card, **digests)
        return other

    first = [one for one in fresh.specimens if one.signer in fresh.signers[:4]]
    second = [one for one in fresh.specimens if one.signer in fresh.signers[4:5]]
    old = knowing(OLD, training_digests=known(first[:1]))
    new = knowing(NEW, calibration_digests=known(second))
    chosen = fresh_comparison.choose_fresh(fresh, (old, new), calibrate=False)
    assert set(chosen.signers) == set(fresh.signers) - {first[0].signer, second[0].signer}
    assert fresh_comparison.choose_fresh(fresh, (old, new), calibrate=True) == chosen
    new = knowing(NEW, calibration_digests=known(second + first))
    with pytest.raises(DatasetError, match=r"7 of the 12 signers .* at least 10"):
        fresh_comparison.choose_fresh(fresh, (old, new), calibrate=True)
    with pytest.raises(DatasetError, match="at least 10"):
        vault.reindex(new, ReindexPlan(fresh=fresh, calibrate=True))
    assert len(vault.generations()) == 1  # it is told before anything is embedded


def test_images_that_one_model_can_not_use_are_not_compared(fresh):
    thresholds = OLD.card.thresholds
    ours = fresh_comparison.embed_fresh(fresh, OLD)
    theirs = fresh_comparison.embed_fresh(fresh, NEW)
    first, second, third = fresh.signers[:3]
    theirs = {
        **theirs,
        first: replace(
            theirs[first],
            genuine=theirs[first].genuine[:3],
            genuine_files=theirs[first].genuine_files[:3],
        ),
        second: replace(theirs[second], genuine_files=tuple("abcdefg")),
    }
    del theirs[third]
    generations = [
        BoundGeneration(number, embedder.model, embedder.preprocessing, 4, thresholds)
        for number, embedder in ((1, OLD), (2, NEW))
    ]
    found = fresh_comparison.compare_fresh((generations[0], ours), (generations[1], theirs))
    assert (found.signers, found.skipped) == (10, 2)
    assert found.comparisons["mated"] == 9 * 6 + 3


def test_an_activation_compares_on_fresh_signatures_as_well(enrolled_settings, fresh):
    with open_vault(enrolled_settings, embedder=ALL) as vault:  # five signers can't tell
        vault.reindex(NEW, ReindexPlan(activate=False))
        with pytest.raises(GenerationUnfit, match="10 with two references or more"):
            vault.activate(2, margins=LAX)
        told = []
        done = vault.activate(
            2, margins=LAX, fresh=fresh, progress=lambda *step: told.append(step[0])
        )
        assert (done.generation, done.forced, active(vault)) == (2, (), 2)
        assert "Comparing on fresh signatures" in told
        record = next(one for one in vault.audit_log() if one.number == done.event)
        assert record.public["gate"]["fresh"]["signers"] == 12
        assert record.public["gate"]["galleries"]["verdict"] == "unknown"


def test_fresh_signatures_speak_against_a_worse_generation_when_it_is_activated(vault, fresh):
    vault.reindex(WORSE, ReindexPlan(activate=False))
    with pytest.raises(GenerationUnfit, match="on fresh signatures: "):
        vault.activate(2, fresh=fresh)
    assert active(vault) == 1


def test_fresh_signatures_speak_against_a_worse_model_too(vault, fresh):
    done = vault.reindex(WORSE, ReindexPlan(fresh=fresh))
    assert done.fresh.verdict is Verdict.WORSE
    assert any(reason.startswith("on fresh signatures: ") for reason in done.reasons)
    assert active(vault) == 1


class Interrupted(FakeEmbedder):
    """Something else happens right after it has embedded a probe, once or time and again."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.then: Callable[[], None] = lambda: None

    def embed(self, images, *, as_references=False):
        embedded = super().embed(images, as_references=as_references)
        then, self.then = self.then, lambda: None
        then()
        return embedded


def test_an_identification_during_an_activation_is_one_of_the_generation_after(enrolled_settings):
    embedder = Interrupted()
    with open_vault(enrolled_settings, embedder=[embedder, NEW]) as vault:
        vault.reindex(NEW, ReindexPlan(activate=False))
        before = vault.identify(draw_signature(1, 9), fpir=0.2)
        embedder.then = lambda: vault.activate(2, force=True)
        during = vault.identify(draw_signature(1, 9), fpir=0.2)
        after = vault.identify(draw_signature(1, 9), fpir=0.2)
        assert during.candidates == after.candidates
        assert during.candidates[0].signer == before.candidates[0].signer == "1"
        (record,) = vault.audit_log(after=during.event - 1, limit=1)
        assert record.public["generation"] == 2


def test_an_identification_does_not_begin_anew_for_ever(enrolled_settings):
    old, new = Interrupted(), Interrupted("new")
    with open_vault(enrolled_settings, embedder=[old, new]) as vault:
        vault.reindex(new, ReindexPlan(activate=False))

        def switch() -> None:
            vault.activate(3 - vault.status().generation, force=True)
            old.then = new.then = switch

        events = vault.audit_size()
        old.then = switch
        with pytest.raises(VaultBusy, match=r"let decide 3 times.*try again"):
            vault.identify(draw_signature(1, 9), fpir=0.2)
        kinds = [record.kind for record in vault.audit_log(after=events)]
        assert kinds == ["generation-activated"] * 3
        old.then = new.then = lambda: None


def test_thresholds_that_come_after_a_generation_was_filled_are_taken(vault):
    first = vault.reindex(UNCALIBRATED, ReindexPlan(activate=False))
    assert any("no thresholds" in reason for reason in first.reasons)
    assert vault.generation(2).thresholds == ()
    released = FakeEmbedder("uncalibrated")
    again = vault.reindex(released, ReindexPlan(activate=False))
    assert (again.generation, again.embedded.embedded) == (2, 0)
    assert not any("no thresholds" in reason for reason in again.reasons)
    assert vault.generation(2).thresholds == (1, 3, 5)
    assert next(card for card in vault.models() if card.name == "uncalibrated").thresholds
    vault.reindex(released, ReindexPlan(activate=False))
    kinds = [record.kind for record in vault.audit_log()]
    assert kinds.count("calibrated") == 2  # the first generation's, and these once
    assert vault.audit_check().whole
