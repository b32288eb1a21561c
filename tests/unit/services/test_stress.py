"""Who is disturbed and who is not, and that the figures are those of single comparisons."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from fakes import FakeEmbedder, draw_blank, draw_signature
from sigvault.datasets import Layout, read_layout
from sigvault.domain.comparison import compare, select_threshold
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.domain.image import SignatureImage
from sigvault.domain.protocol import Seen
from sigvault.domain.turned_probe import tell_turn
from sigvault.evaluation.error_rates import equal_error
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.turning import turn_image
from sigvault.services import stress
from sigvault.services.stress import run_stress
from sigvault.services.stress_result import StressSample, render_stress

SIGNERS, GENUINE, FORGED = 6, 6, 3
SMALL = StressSample(genuine=3, forged=2)
FEW = (Disturbance.TURNED_20, Disturbance.HALVED)


class Watching(FakeEmbedder):
    """A fake that remembers whose pictures it saw, and may have been trained on some."""

    def __init__(self, **changes) -> None:
        super().__init__(wide=True)
        self.changes = changes
        self.seen: list[str] = []

    @property
    def card(self):
        return replace(super().card, **self.changes)

    def embed(self, images, *, as_references=False):
        self.seen += [image.digest for image in images]
        return super().embed(images, as_references=as_references)


def reduced(picture: bytes, factor: float) -> bytes:
    """The picture at another resolution: below 80 pixels of ink it can't serve."""
    with Image.open(io.BytesIO(picture)) as source:
        smaller = source.resize((round(400 * factor), round(200 * factor)), Image.Resampling.BOX)
    file = io.BytesIO()
    smaller.save(file, format="PNG")
    return file.getvalue()


def write(root, signer: str, number: int, picture: bytes, *, genuine: bool = True) -> None:
    folder = root / ("genuine" if genuine else "forged") / signer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:02}.png").write_bytes(picture)


def write_signers(root, count: int = SIGNERS, *, genuine: int = GENUINE, forged: int = FORGED):
    """Forgeries here are one of the signer's own and others', so that some pass."""
    for signer in range(count):
        for number in range(genuine):
            write(root, f"s{signer}", number, draw_signature(signer, number))
        for number in range(forged):
            writer = signer if number == 0 else 100 + signer
            picture = draw_signature(writer, 50 + number)
            write(root, f"s{signer}", number, picture, genuine=False)
    return root


def read(root):
    return read_layout(root, Layout.FOLDERS)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return read(write_signers(tmp_path_factory.mktemp("stress")))


@pytest.fixture(scope="module")
def result(dataset):
    return run_stress(
        dataset, FakeEmbedder(), references=3, disturbances=FEW, draws=2, sample=SMALL, seed=4
    )


def embed_alone(specimen, disturbance, seed: int):
    """One picture embedded by hand; None if it can't serve."""
    image = decode_bytes(specimen.path.read_bytes())
    if disturbance is not None:
        pixels = disturb(image.pixels, disturbance, seed=int(image.digest[:12], 16) + seed)
        image = SignatureImage(pixels, image.digest, *pixels.shape[::-1])
    prepared = DEFAULT_PREPROCESSING.prepare(image)
    if any(finding.severe for finding in prepared.findings):
        return None
    return prepared.ink, FakeEmbedder().embed([prepared.ink])[0]


def score_alone(probe, gallery, rule):
    """As it is, or straightened where that is more alike."""
    ink, embedding = probe
    plain = compare(embedding, gallery, rule).value
    references = [reference.embedding for reference in gallery.references]
    degrees = tell_turn(embedding, references, ())
    if degrees is None:
        return plain
    (straight,) = FakeEmbedder().embed([turn_image(ink, degrees)])
    return max(plain, compare(straight, gallery, rule).value)


def naive_scores(dataset, disturbance, references: int, draws: int, seed: int):
    """(mated, random, skilled) scores, one comparison after the other, as the domain makes them."""
    chosen = frozenset(dataset.signers)
    planned, _ = stress._plan(dataset.specimens, chosen, references, SMALL, seed)
    run = stress._Run(FakeEmbedder(), seed, 0, None)
    claimed, _ = stress._enroll(planned, run, references, draws, seed)
    rule = FakeEmbedder().card.fusion
    embeddings = {
        one: embed_alone(one, disturbance, seed)
        for own in planned
        for one in (*own.genuine, *own.forged)
    }
    scores = [], [], []
    for own in claimed:
        undisturbed = {embed_alone(one, None, seed)[1].vector.tobytes() for one in own.plan.pool}
        for gallery in own.galleries:
            vectors = {each.embedding.vector.tobytes() for each in gallery.references}
            assert len(vectors) == references
            assert vectors <= undisturbed
            for other in planned:
                probes = [
                    (0 if other.signer == own.plan.signer else 1, one) for one in other.genuine
                ]
                if other.signer == own.plan.signer:
                    probes += [(2, one) for one in other.forged]
                for kind, one in probes:
                    if embeddings[one] is not None:
                        scores[kind].append(score_alone(embeddings[one], gallery, rule))
    return [np.array(kind) for kind in scores]


@pytest.mark.parametrize("place", [0, 1])
def test_figures_are_those_of_comparisons_made_one_by_one(dataset, result, place):
    row = result.rows[place]
    mated, random, skilled = naive_scores(dataset, row.disturbance, 3, 2, 4)
    accept = select_threshold(FakeEmbedder().card.thresholds, 3).accept
    assert result.threshold == accept
    assert row.at_accept.fnmr.value == pytest.approx(np.mean(mated < accept))
    assert row.at_accept.fmr.value == pytest.approx(np.mean(random >= accept))
    assert row.at_accept.skilled_fmr.value == pytest.approx(np.mean(skilled >= accept))
    assert row.random_eer.value == pytest.approx(equal_error(mated, random).rate, abs=1e-6)
    assert row.skilled_eer.value == pytest.approx(equal_error(mated, skilled).rate, abs=1e-6)
    assert (row.genuine, row.forged) == (6 * 3, 6 * 2)
    assert row.genuine_fta.value == row.forged_fta.value == 0.0


def test_a_disturbance_is_set_beside_the_same_probes_undisturbed(result):
    plain, turned, _ = result.rows
    assert [row.disturbance for row in result.rows] == [None, *FEW]
    assert plain.skilled_change is None
    assert turned.random_eer.value > plain.random_eer.value
    change = turned.skilled_change
    assert change.value == pytest.approx(turned.skilled_eer.value - plain.skilled_eer.value)
    assert change.low <= change.value <= change.high


def test_references_are_undisturbed_and_no_reference_is_ever_a_probe(dataset):
    embedder = Watching()
    run_stress(dataset, embedder, references=3, disturbances=FEW, draws=5, sample=SMALL)
    times = list(Counter(embedder.seen).values())
    assert len(times) == 6 * (3 + 3 + 2)
    assert times.count(1) == 6 * 3
    assert sum(many >= 3 for many in times) == 6 * (3 + 2)  # straightened ones more often
    assert max(embedder.batches) <= 32


def test_what_can_t_serve_counts_as_failure_to_acquire_and_not_elsewhere(tmp_path):
    """Half of the probes' ink is too small once halved: those rows miss exactly these."""
    root = tmp_path / "mixed"
    for signer in range(6):
        for number in range(6):
            picture = draw_signature(signer, number)
            write(root, f"s{signer}", number, reduced(picture, 0.4) if signer < 3 else picture)
        forged = draw_signature(100 + signer, 0)
        write(root, f"s{signer}", 0, reduced(forged, 0.4), genuine=False)
    found = run_stress(read(root), FakeEmbedder(), references=3, disturbances=FEW, sample=SMALL)
    plain, turned, halved = found.rows
    assert plain.genuine_fta.value == turned.genuine_fta.value == 0.0
    assert halved.genuine_fta.value == 0.5
    assert 0.0 < halved.genuine_fta.low < 0.5 < halved.genuine_fta.high
    assert (halved.forged_fta.value, halved.skilled_eer, halved.skilled_change) == (1.0, None, None)
    assert halved.at_accept.skilled_fmr is None
    assert halved.at_accept.fnmr is not None
    assert turned.skilled_change is not None


def test_where_nothing_can_serve_there_are_no_rates(tmp_path):
    for signer in range(5):
        for number in range(4):
            picture = reduced(draw_signature(signer, number), 0.4)
            write(tmp_path, f"s{signer}", number, picture)
    embedder = FakeEmbedder()
    found = run_stress(
        read(tmp_path), embedder, references=1, disturbances=[Disturbance.HALVED], sample=SMALL
    )
    row = found.rows[1]
    assert row.genuine_fta.value == 1.0
    assert (row.at_accept, row.random_eer, row.skilled_eer, row.skilled_change) == (None,) * 4
    assert (found.rows[0].forged, found.rows[0].forged_fta, found.rows[0].skilled_eer) == (
        0,
        None,
        None,
    )
    assert found.rows[0].random_eer is not None


def test_unreadable_and_blank_pictures_are_counted_and_cost_no_run(tmp_path):
    root = write_signers(tmp_path, genuine=4)
    broken = StressSample(genuine=2, forged=1)
    planned, _ = stress._plan(
        read(root).specimens, frozenset(read(root).signers), 1, broken, seed=0
    )
    planned[0].genuine[0].path.write_bytes(b"no picture")
    planned[1].genuine[1].path.write_bytes(draw_blank())
    found = run_stress(
        read(root), FakeEmbedder(), references=1, disturbances=FEW[:1], sample=broken
    )
    assert [row.genuine_fta.value for row in found.rows] == [pytest.approx(2 / 12)] * 2


def test_an_image_under_two_names_is_used_once(tmp_path):
    root = write_signers(tmp_path, genuine=4, forged=0)
    for signer in range(SIGNERS):
        write(root, f"s{signer}", 9, draw_signature(signer, 0))
    embedder, told = Watching(), []
    found = run_stress(
        read(root),
        embedder,
        references=1,
        disturbances=(),
        sample=SMALL,
        progress=lambda done, images: told.append((done, images)),
    )
    assert told[-1] == (SIGNERS * 4, SIGNERS * 4)
    assert len(set(embedder.seen)) == SIGNERS * 4
    assert found.rows[0].genuine == SIGNERS * 3


def test_signers_with_too_few_signatures_or_references_are_named(tmp_path):
    root = write_signers(tmp_path)
    write(root, "few", 0, draw_signature(70, 0))
    for number in range(6):
        write(root, "blank", number, draw_signature(71, number, ink=250 - number % 2))
    found = run_stress(read(root), FakeEmbedder(), references=3, disturbances=(), sample=SMALL)
    assert found.skipped == ("few", "blank")
    assert len(found.signers) == SIGNERS


def test_too_few_signers_or_none_in_particular_are_refused(dataset, tmp_path):
    with pytest.raises(DatasetError, match="0 signers have the 7"):
        run_stress(dataset, FakeEmbedder(), references=6)
    few = read(write_signers(tmp_path / "few", count=4))
    with pytest.raises(DatasetError, match="at least 5"):
        run_stress(few, FakeEmbedder(), references=1)
    names = replace(dataset, specimens=tuple(replace(one, text="n01") for one in dataset.specimens))
    with pytest.raises(DatasetError, match="several names"):
        run_stress(names, FakeEmbedder(), references=1)
    for references, draws in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            run_stress(dataset, FakeEmbedder(), references=references, draws=draws)
    for wrong in ({"signers": 4}, {"genuine": 0}, {"forged": -1}):
        with pytest.raises(ValueError, match="at least"):
            StressSample(**wrong)


def test_signers_that_were_trained_on_are_left_out_and_calibrated_ones_named(dataset, tmp_path):
    digest = decode_bytes(dataset.of(SignerId("s2"), genuine=True)[0].path.read_bytes()).digest
    trained = Watching(training_digests=frozenset({digest}))
    found = run_stress(dataset, trained, references=3, disturbances=(), sample=SMALL)
    assert (found.left_out, "s2" in found.signers) == (("s2",), False)
    forced = run_stress(
        dataset,
        trained,
        references=3,
        disturbances=(),
        sample=replace(SMALL, seen=Seen.INCLUDE),
    )
    assert "s2" in forced.signers
    assert any(line.startswith("**FORCED") for line in render_stress(forced))
    calibrated = Watching(calibration_digests=frozenset({digest}))
    found = run_stress(dataset, calibrated, references=3, disturbances=(), sample=SMALL)
    assert found.calibrated_on == ("s2",)
    assert "NOT INDEPENDENT" in render_stress(found)[0]
    assert "1 of these signers" in render_stress(found)[0]


def test_so_many_signers_are_chosen_by_chance_and_the_same_again(dataset):
    five = replace(SMALL, signers=5)
    found = [
        run_stress(dataset, FakeEmbedder(), references=3, disturbances=(), sample=five, seed=seed)
        for seed in (0, 0, 1, 2)
    ]
    assert {len(one.signers) for one in found} == {5}
    assert found[0] == found[1]
    assert len({one.signers for one in found}) > 1


def test_without_a_threshold_for_so_few_references_nothing_is_decided(dataset):
    found = run_stress(
        dataset, FakeEmbedder(references=(5,)), references=1, disturbances=(), sample=SMALL
    )
    assert (found.threshold, found.rows[0].at_accept) == (None, None)
    assert found.rows[0].skilled_eer is not None
    assert "| undisturbed | 0.0 (0.0 to" in render_stress(found)[-1]
    assert " | – | – | – | " in render_stress(found)[-1]


def test_progress_counts_every_image_up_to_the_number_announced(dataset):
    calls = []
    run_stress(
        dataset,
        FakeEmbedder(),
        references=3,
        disturbances=FEW,
        sample=SMALL,
        progress=lambda done, images: calls.append((done, images)),
    )
    images = 6 * 3 + 6 * 5 * 3
    assert calls == [(done, images) for done in range(1, images + 1)]


def test_every_disturbance_can_be_measured(tmp_path):
    dataset = read(write_signers(tmp_path, count=5, genuine=3, forged=1))
    found = run_stress(
        dataset, FakeEmbedder(), references=1, sample=StressSample(genuine=1, forged=1)
    )
    assert [row.disturbance for row in found.rows] == [None, *Disturbance]


def test_the_result_is_plain_data_and_a_table_of_it_has_a_row_for_each_disturbance(result):
    plain = json.loads(json.dumps(asdict(result), allow_nan=False))
    assert [row["disturbance"] for row in plain["rows"]] == [None, "rotation-20", "scale-0.5"]
    lines = render_stress(result)
    assert "at most 3 genuine signatures and 2 skilled forgeries" in lines[0]
    table = lines[2:]
    assert [line.split(" | ")[0] for line in table] == [
        "| probes",
        "| ---",
        "| undisturbed",
        "| rotation-20",
        "| scale-0.5",
    ]
    assert {line.count("|") for line in table} == {10}
    change = result.rows[1].skilled_change
    assert table[3].endswith(
        f"| {100 * change.value:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f}) |"
    )
