"""From a folder of pictures to thresholds in a vault, and what is left out on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes import FakeEmbedder, OneModel, draw_blank, draw_signature
from sigvault.datasets import Dataset, Layout, read_layout
from sigvault.domain.comparison import Decision
from sigvault.domain.errors import DatasetError, GenerationMismatch
from sigvault.domain.model_card import ModelCard
from sigvault.services import calibration, creation, unseen_signers
from sigvault.services.acquisition import digest_of
from sigvault.services.calibration import CalibrationPlan
from sigvault.services.pending_images import PendingImages
from sigvault.services.resources import Resources, load_active
from sigvault.services.unseen_signers import embed_unseen_signers
from sigvault.storage import audit_log, schema
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.engine import make_engine, read_session, write_session
from sigvault.storage.generations import activate_generation, add_generation

NOW = datetime(2024, 5, 17, 12, 30, tzinfo=UTC)
QUICK = CalibrationPlan(references=(1, 2), draws=2)


class TrainedEmbedder(FakeEmbedder):
    """A fake whose card says that it was trained on some images."""

    def __init__(self, digests: frozenset[str]) -> None:
        super().__init__()
        self._digests = digests

    @property
    def card(self) -> ModelCard:  # type: ignore[override]
        return replace(super().card, training_digests=self._digests)


def write(root: Path, signer: str, name: str, data: bytes, *, genuine: bool = True) -> Path:
    path = root / ("genuine" if genuine else "forged") / signer / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def six_signers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six signers with three genuine signatures and a skilled forgery each."""
    root = tmp_path_factory.mktemp("six")
    for signer in range(1, 7):
        for number in range(3):
            write(root, str(signer), f"{number}.png", draw_signature(signer, number))
        write(root, str(signer), "f.png", draw_signature(signer + 100), genuine=False)
    return root


@pytest.fixture
def own_copy(six_signers: Path, tmp_path: Path) -> Path:
    """The six signers in a folder that a test may change."""
    root = tmp_path / "copy"
    for path in six_signers.rglob("*.png"):
        target = root / path.relative_to(six_signers)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return root


@pytest.fixture
def resources(tmp_path: Path) -> Iterator[Resources]:
    """A new vault whose model comes with thresholds for 1, 3 and 5 references."""
    engine = make_engine(tmp_path / "vault.sqlite3")
    schema.upgrade(engine)
    embedder = FakeEmbedder()
    creation.found(engine, embedder, version="0", at=NOW)
    images = ImageFolder(tmp_path / "images")
    pending = PendingImages(tmp_path / "pending")
    yield Resources(engine, images, pending, OneModel(embedder), lambda: NOW)
    engine.dispose()


def read(root: Path) -> Dataset:
    return read_layout(root, Layout.FOLDERS)


def seen(root: Path, *files: str) -> TrainedEmbedder:
    return TrainedEmbedder(frozenset(digest_of((root / file).read_bytes()) for file in files))


def test_thresholds_are_stored_with_their_event(resources: Resources, six_signers: Path) -> None:
    report = calibration.calibrate_vault(resources, read(six_signers), QUICK)
    assert [threshold.references for threshold in report.thresholds] == [1, 2]
    assert report.signers == 6
    assert report.skipped == ()
    with read_session(resources.engine) as session:
        active = load_active(session)
        (*_, event) = audit_log.read(session)
    assert active.thresholds == report.thresholds
    assert (active.id, event.number, event.kind) == (
        report.generation,
        report.event,
        "calibrated",
    )
    assert len(event.public["thresholds"]) == 2
    assert event.at == NOW


def test_a_failed_calibration_keeps_the_old_thresholds(
    resources: Resources, tmp_path: Path
) -> None:
    write(tmp_path / "few", "1", "1.png", draw_signature(1))
    with read_session(resources.engine) as session:
        before, events = load_active(session).thresholds, audit_log.count_events(session)
    with pytest.raises(DatasetError):
        calibration.calibrate_vault(resources, read(tmp_path / "few"))
    with read_session(resources.engine) as session:
        assert load_active(session).thresholds == before
        assert audit_log.count_events(session) == events


def test_another_model_calibrates_nothing(resources: Resources, six_signers: Path) -> None:
    other = replace(resources, models=OneModel(FakeEmbedder("other")))
    with pytest.raises(GenerationMismatch):
        calibration.calibrate_vault(other, read(six_signers), QUICK)


def test_thresholds_never_reach_a_generation_that_came_meanwhile(
    resources: Resources, six_signers: Path
) -> None:
    embedder = FakeEmbedder()

    def activate_another(done: int) -> None:
        if done == 1:
            with write_session(resources.engine) as session:
                new = add_generation(
                    session, embedder.model, preprocessing="other-1", dimension=3, at=NOW
                )
                activate_generation(session, new.id, NOW)

    with pytest.raises(GenerationMismatch, match="meanwhile"):
        calibration.calibrate_vault(resources, read(six_signers), QUICK, progress=activate_another)
    with read_session(resources.engine) as session:
        assert load_active(session).thresholds == ()


def test_thresholds_separate_what_the_fake_can_tell_apart(six_signers: Path) -> None:
    made = calibration.calibrate_model(read(six_signers), FakeEmbedder(), QUICK)
    embedded = embed_unseen_signers(read(six_signers), FakeEmbedder())
    threshold = made.thresholds[0]
    one, other = embedded.signers[0].genuine[:2]
    stranger = embedded.signers[1].genuine[0]
    weight = threshold.fusion.local_weight
    assert weight == 0.5
    genuine = float(one.vector @ other.vector)
    foreign = float(one.vector @ stranger.vector)
    assert genuine > foreign
    assert threshold.decide(-1.0) is Decision.REFUSE
    assert threshold.decide(1.0) is Decision.ACCEPT
    assert threshold.origin.data == six_signers.name
    assert threshold.origin.model == FakeEmbedder().model
    assert threshold.origin.skilled_forgeries == 6 * 2


def test_signers_with_too_few_images_are_listed(own_copy: Path) -> None:
    for number in (1, 2):
        (own_copy / "genuine" / "2" / f"{number}.png").unlink()
    made = calibration.calibrate_model(read(own_copy), FakeEmbedder(), QUICK)
    assert [threshold.origin.signers for threshold in made.thresholds] == [5, 5]
    assert made.skipped == (
        "signer 2 left out for 1 references: fewer than 2 genuine signatures",
        "signer 2 left out for 2 references: fewer than 3 genuine signatures",
    )


def test_numbers_of_references_beyond_the_data_are_listed(six_signers: Path) -> None:
    plan = CalibrationPlan(references=(10, 1), draws=1)
    made = calibration.calibrate_model(read(six_signers), FakeEmbedder(), plan)
    assert [threshold.references for threshold in made.thresholds] == [1]
    assert made.skipped == (
        "no threshold for 10 references: 0 signers have the 11 genuine signatures that it takes, "
        "5 are needed",
    )
    with pytest.raises(DatasetError, match=r"nobody can be calibrated.*no threshold for 10"):
        calibration.calibrate_model(
            read(six_signers), FakeEmbedder(), CalibrationPlan(references=(10,))
        )


def test_forgeries_without_genuine_signatures_are_listed(own_copy: Path) -> None:
    write(own_copy, "9", "f.png", draw_signature(9), genuine=False)
    made = calibration.calibrate_model(read(own_copy), FakeEmbedder(), QUICK)
    assert made.skipped == ("signer 9 left out: forgeries without genuine signatures",)


def test_nothing_but_forgeries_is_a_clear_error(tmp_path: Path) -> None:
    for signer in range(1, 7):
        write(tmp_path, str(signer), "f.png", draw_signature(signer), genuine=False)
    with pytest.raises(DatasetError, match="forgeries without genuine signatures"):
        calibration.calibrate_model(read(tmp_path), FakeEmbedder())


def test_one_signer_is_a_clear_error(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path, "1", f"{number}.png", draw_signature(1, number))
    with pytest.raises(DatasetError, match=r"1 of the 1 signers .* at least 5 are needed"):
        calibration.calibrate_model(read(tmp_path), FakeEmbedder())
    with pytest.raises(DatasetError, match="1 of 1 signers"):
        calibration.calibrate_model(read(tmp_path), FakeEmbedder(), CalibrationPlan(force=True))


def test_bad_images_are_skipped_and_listed(own_copy: Path) -> None:
    write(own_copy, "1", "7.png", b"no picture")
    write(own_copy, "1", "8.png", draw_blank())
    write(own_copy, "1", "9.png", (own_copy / "genuine" / "1" / "0.png").read_bytes())
    found = embed_unseen_signers(read(own_copy), FakeEmbedder())
    assert len(found.signers[0].genuine) == 3
    assert found.images == 24
    no_picture, blank, twice = found.unusable
    assert "7.png: UnsupportedImage" in no_picture
    assert "8.png: FailureToAcquire" in blank
    assert twice.endswith(f"the same image as {own_copy / 'genuine' / '1' / '0.png'}")


def test_an_unreadable_file_is_skipped_and_listed(own_copy: Path) -> None:
    dataset = read(own_copy)
    (own_copy / "genuine" / "3" / "0.png").unlink()
    (own_copy / "genuine" / "4" / "0.png").unlink()
    found = embed_unseen_signers(dataset, FakeEmbedder())
    assert ["UnreadableFile" in line for line in found.unusable] == [True, True]


def test_signers_that_were_trained_on_are_left_out_wholly(own_copy: Path) -> None:
    embedder = seen(own_copy, "forged/3/f.png")
    found = embed_unseen_signers(read(own_copy), embedder)
    assert [own.signer for own in found.signers] == ["1", "2", "4", "5", "6"]
    assert found.left_out == ("3",)
    assert sum(embedder.batches) == found.images == 20
    made = calibration.calibrate_model(read(own_copy), embedder, QUICK)
    assert made.skipped == ("signer 3 left out: trained on",)


def test_too_few_unseen_signers_are_refused_unless_forced(own_copy: Path) -> None:
    embedder = seen(own_copy, "genuine/3/1.png", "genuine/4/1.png")
    with pytest.raises(DatasetError, match=r"4 of the 6 signers .* were not trained on"):
        calibration.calibrate_model(read(own_copy), embedder, QUICK)
    forced = calibration.calibrate_model(read(own_copy), embedder, replace(QUICK, force=True))
    for threshold in forced.thresholds:
        assert threshold.origin.protocol.startswith(
            "FORCED: the model was trained on 2 of these signers, so the true rates are worse"
        )
        assert threshold.origin.signers == 6


def test_force_is_of_no_effect_where_it_is_not_needed(six_signers: Path) -> None:
    plain, forced = (
        calibration.calibrate_model(read(six_signers), FakeEmbedder(), replace(QUICK, force=force))
        for force in (False, True)
    )
    assert plain == forced


def test_few_signers_can_be_forced_and_say_so(tmp_path: Path) -> None:
    for signer in (1, 2):
        for number in range(3):
            write(tmp_path, str(signer), f"{number}.png", draw_signature(signer, number))
    plan = CalibrationPlan(references=(1,), draws=2, force=True)
    made = calibration.calibrate_model(read(tmp_path), FakeEmbedder(), plan)
    assert "FORCED: 2 signers are too few to say much" in made.thresholds[0].origin.protocol


def test_several_names_by_a_writer_are_no_signatures(tmp_path: Path) -> None:
    folder = tmp_path / "w01_n01"
    folder.mkdir()
    (folder / "1_1.png").write_bytes(draw_signature(1))
    with pytest.raises(DatasetError, match="several names"):
        embed_unseen_signers(read_layout(tmp_path, Layout.CROSSMEDIA), FakeEmbedder())


def test_progress_counts_every_image_once(own_copy: Path) -> None:
    write(own_copy, "1", "7.png", b"no picture")
    counts: list[int] = []
    embed_unseen_signers(read(own_copy), seen(own_copy, "genuine/3/1.png"), progress=counts.append)
    assert counts == list(range(5, 26))


def test_images_are_embedded_in_batches(six_signers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen_signers, "BATCH", 10)
    embedder = FakeEmbedder()
    embed_unseen_signers(read(six_signers), embedder)
    # Of each batch of ten, genuine signatures, which may become references, go before forgeries.
    assert embedder.batches == [8, 2, 7, 3, 3, 1]
