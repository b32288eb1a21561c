"""Cases to one HTML file that needs nothing else: no scripts, no requests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from sigvault.domain.errors import StorageFailed
from sigvault.reporting.case import Case, IdentificationCase
from sigvault.reporting.pictures import AGREEMENT_STEPS
from sigvault.reporting.views import index_cases


def render_verification(case: Case) -> str:
    """The report of one verification, as HTML."""
    return _render(case.title, "", [case], [])


def render_collection(
    title: str,
    introduction: str,
    cases: Sequence[Case],
    identifications: Sequence[IdentificationCase] = (),
) -> str:
    """The report of several cases on one page with an index, as HTML.

    Args:
        title: of the page.
        introduction: a paragraph before the index; plain text.
        cases: the verifications, in order.
        identifications: the identifications, after them.
    """
    return _render(title, introduction, cases, identifications)


def write_page(path: Path, html: str) -> None:
    """Write a page, whole or not at all.

    Raises:
        StorageFailed: If it can't be written.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            partial = Path(file.name)
            try:
                file.write(html)
                file.close()
                _permit_as_usual(partial)
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise StorageFailed(
            f"the report can't be written to {path} ({error.strerror or error}): "
            "free some space or choose another place"
        ) from error


def _permit_as_usual(path: Path) -> None:
    """Give a temporary file, made for its owner alone, the permissions of any new file."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _render(
    title: str,
    introduction: str,
    cases: Sequence[Case],
    identifications: Sequence[IdentificationCase],
) -> str:
    environment = Environment(
        loader=PackageLoader("sigvault.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    case_views, identification_views = index_cases(cases, identifications)
    return environment.get_template("page.html.j2").render(
        title=title,
        introduction=introduction,
        cases=case_views,
        identifications=identification_views,
        legend=_legend(),
    )


def _legend() -> list[str]:
    """What each tint stands for, from the least agreement to the most."""
    bounds = [f"{step:.1f}" for step in AGREEMENT_STEPS]
    between = [f"{low} to {high}" for low, high in pairwise(bounds)]
    return [f"below {bounds[0]}", *between, f"{bounds[-1]} and more"]
