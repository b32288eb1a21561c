"""What people see of a run: a bar on a terminal, lines in a file, nothing twice."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sigvault.cli.output import Output
from sigvault.cli.training_progress import (
    describe_figures,
    describe_seconds,
    describe_share,
    follow,
)
from sigvault.training.loop import TrainingStatus
from sigvault.training.validation import ValidationErrors


def status(batch: int, **changed: object) -> TrainingStatus:
    figures = {
        "epoch": 2,
        "epochs": 8,
        "batch": batch,
        "batches": 30,
        "loss": 1.25,
        "images_per_second": 85.4,
        "validation": ValidationErrors(0.123, 0.041, None, None),
        "active": 0.63,
        "waiting": 0.021,
        "seconds_left": 250.0,
    }
    return TrainingStatus(**{**figures, **changed})


FIGURES = (
    "loss 1.2500, 63 % active, validation EER 12.3 % skilled and 4.1 % random, 85 images/s, "
    "2.1 % waiting, 4:10 left"
)


def test_all_figures_are_in_one_line():
    assert describe_figures(status(3)) == FIGURES


def test_what_is_not_known_is_left_out():
    assert describe_figures(status(3, active=None, validation=None)) == (
        "loss 1.2500, 85 images/s, 2.1 % waiting, 4:10 left"
    )
    no_pairs = ValidationErrors(None, None, None, None)
    assert "EER not to be had" in describe_figures(status(3, validation=no_pairs))
    assert "EER 4.1 % random," in describe_figures(
        status(3, validation=ValidationErrors(None, 0.041, None, None))
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (36061, "10:01:01")]
)
def test_seconds_are_read_as_a_clock(seconds: float, text: str):
    assert describe_seconds(seconds) == text


@pytest.mark.parametrize(("share", "text"), [(0.0, "0.0 %"), (0.099, "9.9 %"), (0.5, "50 %")])
def test_small_shares_get_a_place_more(share: float, text: str):
    assert describe_share(share) == text


def test_a_file_gets_about_ten_lines_an_epoch(capsys: pytest.CaptureFixture[str]):
    with follow(
        Output(as_json=True), Console(file=io.StringIO(), force_terminal=False)
    ) as progress:
        progress.prepare(1, 2)
        for batch in range(1, 31):
            progress.train(status(batch), "fold 1 of 5, ")
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert len(lines) == 10
    assert lines[0] == f"fold 1 of 5, epoch 2 of 8, batch 3 of 30: {FIGURES}"
    assert "batch 30 of 30" in lines[-1]


def test_the_last_batch_always_gets_a_line(capsys: pytest.CaptureFixture[str]):
    with follow(Output(as_json=False), Console(file=io.StringIO())) as progress:
        for batch in range(1, 24):
            progress.train(status(batch, batches=23))
    assert "batch 23 of 23" in capsys.readouterr().err.splitlines()[-1]


def test_a_terminal_gets_one_bar_with_everything(capsys: pytest.CaptureFixture[str]):
    terminal = Console(file=io.StringIO(), force_terminal=True, width=200)
    with follow(Output(as_json=False), terminal) as progress:
        progress.prepare(1, 2)
        (images,) = progress._progress.tasks
        assert (images.description, images.completed, images.total) == ("Preparing images", 1, 2)
        progress.prepare(2, 2)
        assert progress._progress.tasks == []
        progress.train(status(15), "fold 1 of 5, ")
        (run,) = progress._progress.tasks
        assert (run.completed, run.total) == (45, 240)
        progress.train(status(16), "fold 1 of 5, ")
        assert len(progress._progress.tasks) == 1
        progress._progress.refresh()
        shown = terminal.file.getvalue()
        assert "fold 1 of 5, epoch 2 of 8, batch 16 of 30" in shown
        assert FIGURES in shown
    assert capsys.readouterr().err == ""


def test_a_file_gets_about_ten_lines_of_teaching(capsys: pytest.CaptureFixture[str]):
    with follow(Output(as_json=False), Console(file=io.StringIO())) as progress:
        for done in range(1, 96):
            progress.teach(done, 95)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[0] == "teaching local features: 9 of 95"
    assert lines[-1] == "teaching local features: 95 of 95"


def test_a_terminal_gets_a_bar_of_teaching(capsys: pytest.CaptureFixture[str]):
    terminal = Console(file=io.StringIO(), force_terminal=True, width=200)
    with follow(Output(as_json=False), terminal) as progress:
        progress.teach(1, 30)
        progress.teach(2, 30)
        (task,) = progress._progress.tasks
        assert (task.description, task.completed, task.total) == ("Teaching local features", 2, 30)
    assert capsys.readouterr().err == ""


def test_only_the_first_of_several_processes_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("RANK", "1")
    terminal = Console(file=io.StringIO(), force_terminal=True)
    with follow(Output(as_json=False), terminal) as progress:
        progress.prepare(1, 2)
        progress.train(status(30))
        progress.teach(1, 2)
    assert terminal.file.getvalue() == ""
    assert capsys.readouterr().err == ""
