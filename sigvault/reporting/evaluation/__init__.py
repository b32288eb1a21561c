"""An evaluation to a page for people: tables, pictures, and one self-contained HTML file."""

from sigvault.reporting.evaluation.page import draw_evaluation, render_evaluation

__all__ = ["draw_evaluation", "render_evaluation"]
