"""Evidence and pictures to a page for people: one self-contained HTML file, no scripts."""

from sigvault.reporting.case import Case, IdentificationCase, Picture, ReferenceView
from sigvault.reporting.page import render_collection, render_verification, write_page

__all__ = [
    "Case",
    "IdentificationCase",
    "Picture",
    "ReferenceView",
    "render_collection",
    "render_verification",
    "write_page",
]
