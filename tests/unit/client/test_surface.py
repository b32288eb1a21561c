"""Both clients are the same, know every call and field of the service, and load nothing heavy."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

import sigvault.client
from sigvault.api import schemas
from sigvault.api.app import CALLS
from sigvault.api.openapi import EXAMPLES
from sigvault.client import AsyncClient, Client, answers, calls, errors
from sigvault.client.decoding import decode
from sigvault.domain.audit import AuditRecord
from sigvault.domain.comparison import ErrorRates, Origin, Rate, ReferenceScore
from sigvault.domain.image import QualityFinding
from sigvault.domain.reviewing import ReviewVerdict

ELSEWHERE = {
    "AuditRecord": AuditRecord,
    "BulkVerification": answers.MultipleVerification,
    "ErrorRates": ErrorRates,
    "Finding": QualityFinding,
    "Origin": Origin,
    "Rate": Rate,
    "ReferenceScore": ReferenceScore,
    "ReviewVerdict": ReviewVerdict,
}
ANSWERS = [
    value
    for value in vars(schemas).values()
    if isinstance(value, type)
    and issubclass(value, (schemas.Answer, schemas.Problem))
    and value not in (schemas.Answer, schemas.Page)
]


def _public(cls: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(value, eval_str=True)
        for name, value in vars(cls).items()
        if not name.startswith("_") and inspect.isfunction(value)
    }


def test_both_clients_have_the_same_methods():
    waiting, awaited = _public(Client), _public(AsyncClient)
    assert list(waiting) == list(awaited)
    for name, signature in waiting.items():
        assert signature.parameters.keys() == awaited[name].parameters.keys(), name
        for one, other in zip(
            list(signature.parameters.values())[1:],
            list(awaited[name].parameters.values())[1:],
            strict=True,
        ):
            assert one == other, name
        expected = str(signature.return_annotation).replace(
            f"{Iterator.__module__}.Iterator[", f"{AsyncIterator.__module__}.AsyncIterator["
        )
        assert str(awaited[name].return_annotation) == expected, name


def test_every_call_of_the_service_can_be_asked_for():
    asked = {name for name, value in vars(calls).items() if inspect.isfunction(value)}
    assert {route.name for route in CALLS} <= asked
    source = inspect.getsource(Client)
    assert not [route.name for route in CALLS if f"calls.{route.name}(" not in source]


@pytest.mark.parametrize("schema", ANSWERS, ids=lambda schema: schema.__name__)
def test_every_field_of_an_answer_is_read(schema):
    known = ELSEWHERE.get(schema.__name__) or getattr(answers, schema.__name__)
    assert is_dataclass(known)
    assert {one.name for one in fields(known)} == set(schema.model_fields)


@pytest.mark.parametrize(
    "schema",
    [one for one in EXAMPLES if issubclass(one, schemas.Answer) and one.__name__ in vars(answers)],
    ids=lambda schema: schema.__name__,
)
def test_every_example_of_the_description_is_read(schema):
    assert decode(getattr(answers, schema.__name__), EXAMPLES[schema])


def test_each_class_of_errors_is_public_and_drawn_in_the_tree():
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ClientError)
    }
    assert classes <= set(sigvault.client.__all__)
    drawn = re.findall(r"^ +(?:[│ ]*[├└]── )?([A-Z]\w+)(?: {2,}.*)?$", errors.__doc__, re.MULTILINE)
    assert sorted(drawn) == sorted(classes)


def test_what_is_public_is_there_sorted():
    names = sigvault.client.__all__
    assert names == sorted(names)
    assert all(hasattr(sigvault.client, name) for name in names)


def test_importing_the_client_loads_nothing_of_the_service():
    script = (
        "import sys, sigvault.client;"
        "heavy = {'torch', 'faiss', 'sqlalchemy', 'fastapi', 'pydantic', 'sklearn', 'PIL'};"
        "own = {'api', 'bootstrap', 'services', 'settings', 'storage', 'vault', 'web'};"
        "print(sorted((heavy | {f'sigvault.{one}' for one in own}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(sigvault.client.__file__).parents[2],
    )
    assert done.stdout.split() == ["[]"]
