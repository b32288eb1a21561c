from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sigvault.cli.demo_plan import REFERENCES, SIGNERS, plan_demo
from sigvault.datasets import Dataset, Layout, Specimen
from sigvault.domain.errors import DatasetError, UnreadableFile
from sigvault.domain.identifiers import SignerId


def _dataset(root: Path, genuine: list[int], forged: int = 2) -> Dataset:
    specimens = [
        Specimen(SignerId(str(signer)), is_genuine, root / f"{signer}-{is_genuine}-{number}")
        for signer, count in enumerate(genuine, start=1)
        for is_genuine, images in ((True, count), (False, forged))
        for number in range(images)
    ]
    for specimen in specimens:
        specimen.path.write_text(specimen.path.name)
    return Dataset(root, Layout.FOLDERS, tuple(specimens), ())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_shows_the_first_signer_and_asks_the_four_questions(tmp_path):
    plan = plan_demo(_dataset(tmp_path, [8] * 12), frozenset())

    assert plan.signers == tuple(str(number) for number in range(1, SIGNERS + 1))
    assert len(plan.references) == SIGNERS * REFERENCES
    assert plan.shown == "1"
    asked = [(question.specimen.signer, question.specimen.genuine) for question in plan.questions]
    assert asked == [("1", True), ("1", False), ("2", True), ("2", False)]
    assert plan.unclaimed is not None
    assert plan.unclaimed.specimen.signer == "3"
    assert plan.unseen == SIGNERS


def test_nothing_that_is_asked_about_is_enrolled(tmp_path):
    plan = plan_demo(_dataset(tmp_path, [6, 6, 7]), frozenset())

    assert plan.unclaimed is not None
    asked = [question.specimen for question in (*plan.questions, plan.unclaimed)]
    assert not set(asked) & set(plan.references)
    assert len(set(asked)) == len(asked)


def test_prefers_signers_that_the_model_has_not_seen(tmp_path):
    dataset = _dataset(tmp_path, [8] * 12)
    seen = frozenset({_digest(tmp_path / "1-True-7"), _digest(tmp_path / "3-False-1")})

    plan = plan_demo(dataset, seen)

    assert plan.signers == tuple(str(number) for number in (2, *range(4, 13)))
    assert plan.unseen == SIGNERS


def test_fills_up_with_signers_that_the_model_has_seen_and_counts_them(tmp_path):
    dataset = _dataset(tmp_path, [8] * 4)
    seen = frozenset(_digest(tmp_path / f"{signer}-True-0") for signer in (1, 2))

    plan = plan_demo(dataset, seen)

    assert plan.signers == ("3", "4", "1", "2")
    assert plan.unseen == 2


def test_leaves_out_signers_with_too_few_signatures(tmp_path):
    plan = plan_demo(_dataset(tmp_path, [REFERENCES, 8, 8]), frozenset())

    assert plan.signers == ("2", "3")


def test_without_forgeries_two_questions_are_left(tmp_path):
    plan = plan_demo(_dataset(tmp_path, [8, 8, 8], forged=0), frozenset())

    assert [question.specimen.signer for question in plan.questions] == ["1", "2"]


def test_with_two_signers_the_unclaimed_one_is_another_signature(tmp_path):
    plan = plan_demo(_dataset(tmp_path, [8, 7]), frozenset())
    assert plan.unclaimed is not None
    assert plan.unclaimed.specimen.path.name == "2-True-6"

    assert plan_demo(_dataset(tmp_path, [8, 6]), frozenset()).unclaimed is None


def test_one_signer_is_not_enough(tmp_path):
    with pytest.raises(DatasetError, match="takes two or more"):
        plan_demo(_dataset(tmp_path, [8, REFERENCES]), frozenset())


def test_a_picture_that_cannot_be_read_is_named(tmp_path):
    dataset = _dataset(tmp_path, [8, 8])
    (tmp_path / "1-True-0").unlink()

    with pytest.raises(UnreadableFile, match="1-True-0"):
        plan_demo(dataset, frozenset({"0" * 64}))
