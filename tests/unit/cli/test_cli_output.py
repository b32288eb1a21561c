from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import pytest

from sigvault.cli.documents import to_document
from sigvault.cli.exit_codes import ExitCode, code_for
from sigvault.cli.output import Output, print_json, tidy
from sigvault.domain.comparison import Decision


class _Kind(StrEnum):
    ONE = "one"


@dataclass(frozen=True)
class _Value:
    kind: _Kind
    at: datetime
    path: Path
    numbers: tuple[float, ...]
    names: frozenset[str]


def test_values_become_documents():
    value = _Value(
        _Kind.ONE,
        datetime(2024, 1, 2, tzinfo=UTC),
        Path("a/b"),
        (1.5, math.nan, math.inf),
        frozenset({"b", "a"}),
    )

    document = to_document({"value": value, "none": None, "flag": True, 5: [value.kind]})

    assert document == {
        "value": {
            "kind": "one",
            "at": "2024-01-02T00:00:00+00:00",
            "path": "a/b",
            "numbers": [1.5, None, None],
            "names": ["a", "b"],
        },
        "none": None,
        "flag": True,
        "5": ["one"],
    }
    json.dumps(document, allow_nan=False)


def test_what_has_no_form_in_json_is_refused():
    with pytest.raises(TypeError, match="bytes"):
        to_document({"image": b""})


def test_text_from_outside_cannot_steer_the_terminal():
    assert tidy("a\x1b[31mb\x07\u202ec\nd é 签") == "a\ufffd[31mb\ufffd\ufffdc\nd é 签"


def test_names_that_are_no_valid_text_can_still_be_printed(capsys):
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")

    print_json({"item": name})

    assert "caf" in json.loads(capsys.readouterr().out)["item"]


def test_result_is_the_document_or_what_is_for_people(capsys):
    Output(as_json=True).result({"a": 1}, "for people")
    assert json.loads(capsys.readouterr().out) == {"a": 1}

    Output(as_json=False).result({"a": 1}, "for [bold]people[/bold]")
    assert capsys.readouterr().out == "for [bold]people[/bold]\n"


def test_a_tab_is_a_space():
    assert tidy("Choose from:\n\tp0") == "Choose from:\n p0"


def test_lines_are_left_whole(capsys):
    path = "/long" * 60
    Output(as_json=False).result({}, path)
    assert capsys.readouterr().out == f"{path}\n"


def test_progress_leaves_a_file_alone(capsys):
    with Output(as_json=False).progress("Working") as advance:
        advance(1, 2)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_each_decision_has_its_exit_code():
    assert {decision: code_for(decision) for decision in Decision} == {
        Decision.ACCEPT: ExitCode.DONE,
        Decision.REVIEW: ExitCode.REVIEW,
        Decision.REFUSE: ExitCode.REFUSE,
    }
