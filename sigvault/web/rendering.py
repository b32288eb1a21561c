"""Templates to answers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from urllib.parse import urlencode

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from sigvault.reporting.words import count, percent, rate_in_words, readable_ratio
from sigvault.web.rights import Right
from sigvault.web.visits import Visit

REPORT = "report.css"
"""The style that reports and pages share."""


@dataclass(frozen=True)
class _Entry:
    """A page in the menu.

    Attributes:
        path: its address.
        name: its name.
        right: what it takes.
    """

    path: str
    name: str
    right: Right


_MENU = (
    _Entry("/queue", "Queue", Right.SEE_CASES),
    _Entry("/verify", "Verify", Right.VERIFY),
    _Entry("/identify", "Identify", Right.VERIFY),
    _Entry("/signers", "Signers", Right.SEE_SIGNERS),
    _Entry("/enroll", "Enroll", Right.ENROLL),
    _Entry("/audit", "Audit", Right.SEE_AUDIT),
    _Entry("/thresholds", "Thresholds", Right.SEE_THRESHOLDS),
    _Entry("/generations", "Generations", Right.SEE_THRESHOLDS),
)


def render(visit: Visit, template: str, *, status: int = 200, **content: object) -> HTMLResponse:
    """A page for a visit.

    Args:
        visit: whose page it is.
        template: its name, without the ending.
        status: HTTP status.
        content: what the template lays out.
    """
    notice, about = visit.session.take_notice()
    html = (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(
            visit=visit,
            may=visit.may,
            Right=Right,
            menu=[entry for entry in _MENU if visit.may(entry.right)],
            path=visit.request.url.path,
            notice=notice,
            about=about,
            **content,
        )
    )
    return HTMLResponse(html, status)


def compile_templates() -> None:
    """Compile all templates, so that nobody waits for it who looks at a page first."""
    environment = _environment()
    for name in environment.list_templates(extensions=["j2"]):
        environment.get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("sigvault.web", "templates"),
                PrefixLoader({"reporting": PackageLoader("sigvault.reporting", "templates")}),
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"url": url, "static": static_url, "count": count}
    environment.filters |= {
        "percent": percent,
        "rate": rate_in_words,
        "ratio": readable_ratio,
        "moment": _moment,
        "coded": _coded,
        "minute": _minute,
    }
    return environment


def url(path: str, **query: object) -> str:
    """An address with what is asked of it; identifiers go there whole, whatever they hold."""
    kept = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path


@cache
def static_url(name: str) -> str:
    """The address of a file of our own, which changes with its content."""
    return f"/static/{name}?v={hashlib.sha256(read_static(name)).hexdigest()[:12]}"


def read_static(name: str) -> bytes:
    """A file of our own; the style of the reports is where the reports are made."""
    if name == REPORT:
        return files("sigvault.reporting").joinpath("templates", "page.css").read_bytes()
    return files("sigvault.web").joinpath("static", name).read_bytes()


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _minute(at: datetime) -> str:
    """A moment in a column that says that it is UTC."""
    return f"{at:%Y-%m-%d %H:%M}"


def _coded(text: str) -> Markup:
    """A message with what stands between backticks set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped
