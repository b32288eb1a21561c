"""From a folder of pictures to a report: who is measured, by what, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fakes import FakeEmbedder, draw_blank, draw_signature
from sigvault.datasets import Dataset, Layout, read_layout
from sigvault.domain.errors import DatasetError
from sigvault.domain.model_card import ModelCard
from sigvault.domain.protocol import Protocol, Seen
from sigvault.services.acquisition import digest_of
from sigvault.services.evaluation import BY_CARD, EvaluationPlan, evaluate

QUICK = EvaluationPlan(references=(1, 2), draws=2, identify=False)


class CardEmbedder(FakeEmbedder):
    """A fake whose card says that it, or its thresholds, have seen some images."""

    def __init__(self, trained: frozenset[str] = frozenset(), chosen: frozenset[str] = frozenset()):
        super().__init__()
        self._trained, self._chosen = trained, chosen

    @property
    def card(self) -> ModelCard:  # type: ignore[override]
        return replace(
            super().card, training_digests=self._trained, calibration_digests=self._chosen
        )


def write(root: Path, signer: str, name: str, data: bytes, *, genuine: bool = True) -> Path:
    path = root / ("genuine" if genuine else "forged") / signer / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def draw_set(root: Path, signers: range) -> Path:
    """Four genuine signatures and two skilled forgeries of each signer."""
    for signer in signers:
        for number in range(4):
            write(root, str(signer), f"{number}.png", draw_signature(signer, number))
        for number in range(2):
            data = draw_signature(signer + 100, number)
            write(root, str(signer), f"f{number}.png", data, genuine=False)
    return root


@pytest.fixture(scope="session")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_set(tmp_path_factory.mktemp("eight") / "eight", range(1, 9))


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_set(tmp_path_factory.mktemp("others") / "others", range(31, 37))


def read(root: Path) -> Dataset:
    return read_layout(root, Layout.FOLDERS)


def digests(root: Path, *files: str) -> frozenset[str]:
    return frozenset(digest_of((root / file).read_bytes()) for file in files)


def test_the_card_s_own_choices_are_applied(eight: Path) -> None:
    found = evaluate(read(eight), FakeEmbedder(), replace(QUICK, references=(2, 1), seed=5))
    report, card = found.report, FakeEmbedder().card
    assert [result.references for result in report.results] == [1, 2]
    assert [own.frozen and own.frozen.calibrated_with for own in report.results] == [(1,), (3,)]
    assert report.results[0].frozen is not None
    assert report.results[0].frozen.accept == card.thresholds[0].accept
    assert (report.subject.data, report.subject.seed, report.subject.images) == ("eight", 5, 48)
    assert report.subject.choices == BY_CARD
    assert report.subject.rules == (card.fusion,)
    assert [own.signer for own in found.signers] == [str(number) for number in range(1, 9)]
    assert report.gates.genuine == 32
    assert report.gates.session is not None
    assert report.results[0].identification is None
    assert {error.kind for error in report.results[0].hardest} == {"mated", "random", "skilled"}


def test_the_same_seed_gives_the_same_report(eight: Path) -> None:
    one, same = (evaluate(read(eight), FakeEmbedder(), QUICK).report for _ in range(2))
    assert one == same


def test_searches_are_measured_where_they_are_asked_for(eight: Path) -> None:
    plan = replace(QUICK, references=(1,), identify=True)
    (result,) = evaluate(read(eight), FakeEmbedder(), plan).report.results
    assert result.identification is not None
    assert result.identification.signers == 8
    assert result.identification.frozen is not None


def test_a_gate_that_fails_is_said_first(eight: Path) -> None:
    """The fake forgeries are drawn as other signers' names: their shape gives them away."""
    report = evaluate(read(eight), FakeEmbedder(), QUICK).report
    assert not report.gates.passed
    told = [line for line in report.subject.warnings if line.startswith("A gate failed: ")]
    assert len(told) == len(report.gates.failures) > 0
    assert report.subject.warnings[0] == told[0]


def test_signers_that_were_trained_on_are_refused_left_out_or_marked(eight: Path) -> None:
    embedder = CardEmbedder(trained=digests(eight, "genuine/3/1.png"))
    with pytest.raises(DatasetError, match=r"trained on 1 of the 8 signers .* \(3\): .*--force"):
        evaluate(read(eight), embedder, QUICK)
    left_out = evaluate(read(eight), embedder, replace(QUICK, seen=Seen.LEAVE_OUT)).report
    assert left_out.subject.left_out == ("3",)
    assert left_out.results[0].signers == 7
    forced = evaluate(read(eight), embedder, replace(QUICK, seen=Seen.INCLUDE)).report
    assert forced.results[0].signers == 8
    assert any(line.startswith("FORCED") for line in forced.subject.warnings)


def test_many_signers_that_were_trained_on_are_named_in_short(eight: Path) -> None:
    embedder = CardEmbedder(trained=digests(eight, *(f"genuine/{k}/1.png" for k in range(1, 8))))
    with pytest.raises(DatasetError, match=r"7 of the 8 signers .*\(1, 2, 3, 4, 5, …\)"):
        evaluate(read(eight), embedder, QUICK)


def test_thresholds_that_come_from_these_signers_are_marked_unless_folds_choose(
    eight: Path,
) -> None:
    embedder = CardEmbedder(chosen=digests(eight, "genuine/2/1.png"))
    report = evaluate(read(eight), embedder, QUICK).report
    assert any("NOT INDEPENDENT" in line for line in report.subject.warnings)
    by_folds = evaluate(read(eight), embedder, replace(QUICK, folds=2)).report
    assert not any("NOT INDEPENDENT" in line for line in by_folds.subject.warnings)


def test_searches_by_the_card_s_rule_are_marked_where_folds_choose_the_rest(eight: Path) -> None:
    embedder = CardEmbedder(chosen=digests(eight, "genuine/2/1.png"))
    by_folds = evaluate(read(eight), embedder, replace(QUICK, folds=2, identify=True)).report
    (told,) = [line for line in by_folds.subject.warnings if "NOT INDEPENDENT" in line]
    assert "searches among all galleries" in told
    assert "chosen on 1 of these signers" in told
    assert by_folds.subject.choices.endswith("searches among all galleries by the card's rule")
    assert by_folds.subject.choices.startswith("2 folds over these signers")
    for result in by_folds.results:
        assert result.frozen is not None
        assert result.frozen.accept is None
        assert result.frozen.calibrated_with == (result.references,)


@pytest.mark.parametrize("protocol", [Protocol.P2, Protocol.P5])
def test_other_protocols_that_go_by_the_card_are_marked(eight: Path, protocol: Protocol) -> None:
    embedder = CardEmbedder(chosen=digests(eight, "genuine/2/1.png"))
    plan = replace(QUICK, protocol=protocol, references=(2,), folds=2)
    warnings = evaluate(read(eight), embedder, plan).report.subject.warnings
    (told,) = [line for line in warnings if "NOT INDEPENDENT" in line]
    assert "--folds" not in told  # which these protocols don't go by


def test_choices_can_be_carried_over_from_another_set(eight: Path, others: Path) -> None:
    counts: list[int] = []
    plan = replace(QUICK, protocol=Protocol.P4)
    report = evaluate(
        read(eight), FakeEmbedder(), plan, other=read(others), progress=counts.append
    ).report
    assert report.subject.choices == "chosen on others and carried over"
    assert counts == list(range(1, 85))
    assert report.results[0].frozen is not None
    assert report.results[0].frozen.accept is not None
    assert not any("share images" in line for line in report.subject.warnings)
    itself = evaluate(read(eight), FakeEmbedder(), plan, other=read(eight)).report
    assert any("share images" in line for line in itself.subject.warnings)


def test_a_poorer_set_lends_what_it_has(eight: Path, tmp_path: Path) -> None:
    poor = tmp_path / "poor"
    for signer in range(41, 47):
        for number in range(2):
            write(poor, str(signer), f"{number}.png", draw_signature(signer, number))
    plan = replace(QUICK, protocol=Protocol.P4)
    report = evaluate(read(eight), FakeEmbedder(), plan, other=read(poor)).report
    assert [own.frozen and own.frozen.calibrated_with for own in report.results] == [(1,), (1,)]


def test_another_set_belongs_to_one_protocol(eight: Path, others: Path) -> None:
    with pytest.raises(DatasetError, match="--choose-on"):
        evaluate(read(eight), FakeEmbedder(), replace(QUICK, protocol=Protocol.P4))
    with pytest.raises(DatasetError, match="no other protocol does"):
        evaluate(read(eight), FakeEmbedder(), QUICK, other=read(others))


def test_the_gates_alone(eight: Path) -> None:
    report = evaluate(read(eight), FakeEmbedder(), replace(QUICK, protocol=Protocol.P0)).report
    assert report.results == ()
    assert report.replica is None
    assert report.gates.statistics


def test_replicas_are_plain_data_with_their_caveats(eight: Path) -> None:
    pairs = evaluate(read(eight), FakeEmbedder(), replace(QUICK, protocol=Protocol.P2)).report
    assert pairs.replica is not None
    assert pairs.replica["all signers"]["replica"] is True
    assert len(pairs.replica["last tenth"]["signers"]) == 2
    notebook = evaluate(read(eight), FakeEmbedder(), replace(QUICK, protocol=Protocol.NOTEBOOK))
    assert notebook.report.replica is not None
    assert "not an error rate" in notebook.report.replica["caveat"]
    assert len(notebook.report.replica["signers"]) == 2
    assert "nothing of the model's card" in notebook.report.subject.choices


def test_a_classifier_for_each_signer_takes_thirteen_signatures(eight: Path) -> None:
    with pytest.raises(DatasetError, match="13 genuine"):
        evaluate(read(eight), FakeEmbedder(), replace(QUICK, protocol=Protocol.P3))


def test_a_classifier_for_each_signer(tmp_path: Path) -> None:
    for signer in range(1, 11):
        for number in range(14):
            write(tmp_path, str(signer), f"{number}.png", draw_signature(signer, number))
        write(tmp_path, str(signer), "f.png", draw_signature(signer + 100), genuine=False)
    plan = replace(QUICK, protocol=Protocol.P3, draws=1)
    replica = evaluate(read(tmp_path), FakeEmbedder(), plan).report.replica
    assert replica is not None
    assert set(replica) == {"gamma literal", "gamma scale"}
    assert len(replica["gamma scale"]["signers"]) == 10


def test_disturbed_probes(eight: Path) -> None:
    plan = replace(QUICK, protocol=Protocol.P5, references=(2,))
    report = evaluate(read(eight), FakeEmbedder(), plan).report
    assert report.replica is not None
    assert report.replica["references"] == 2
    assert len(report.replica["rows"]) > 5


def test_numbers_of_references_that_nobody_has_are_named(eight: Path) -> None:
    report = evaluate(read(eight), FakeEmbedder(), replace(QUICK, references=(1, 9))).report
    assert [result.references for result in report.results] == [1]
    assert any("Not measured with 9 references: 0 signers" in w for w in report.subject.warnings)
    with pytest.raises(DatasetError, match="fewer --references"):
        evaluate(read(eight), FakeEmbedder(), replace(QUICK, references=(9,)))


def test_images_that_cannot_serve_are_counted(tmp_path: Path) -> None:
    draw_set(tmp_path, range(1, 7))
    write(tmp_path, "1", "blank.png", draw_blank())
    write(tmp_path, "2", "copy.png", (tmp_path / "genuine" / "2" / "0.png").read_bytes())
    report = evaluate(read(tmp_path), FakeEmbedder(), QUICK).report
    assert report.results[0].acquisition.failed == 1
    assert report.results[0].acquisition.images == 37
    assert len(report.subject.unusable) == 2


def test_without_forgeries_the_rest_is_measured(tmp_path: Path) -> None:
    for signer in range(1, 7):
        for number in range(3):
            write(tmp_path, str(signer), f"{number}.png", draw_signature(signer, number))
    report = evaluate(read(tmp_path), FakeEmbedder(), QUICK).report
    assert report.results[0].skilled_eer is None
    assert report.gates.session is None
    assert report.gates.not_asked
