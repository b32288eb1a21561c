"""The generations: which decides, and letting another one."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from sigvault.domain.identifiers import GenerationId
from sigvault.web.rendering import render
from sigvault.web.visits import Visit


def show_generations(visit: Visit) -> Response:
    """All generations, oldest first, with the model of each and when it began to decide."""
    summaries = visit.vault.generations()
    return render(
        visit,
        "generations",
        rows=[(each, visit.vault.activation(each.id)) for each in summaries],
    )


def activate(visit: Visit) -> Response:
    """Let a generation decide, if it is fit."""
    done = visit.vault.activate(_generation(visit), by=visit.someone.name)
    said = f"Generation {done.generation} ({done.model}) decides from now on"
    return visit.to("/generations", f"{said}, in place of {done.before}; audit event {done.event}.")


def roll_back(visit: Visit) -> Response:
    """Go back to the generation that decided before."""
    done = visit.vault.roll_back(by=visit.someone.name)
    said = f"Generation {done.generation} ({done.model}) decides again"
    return visit.to("/generations", f"{said}, in place of {done.before}; audit event {done.event}.")


def drop(visit: Visit) -> Response:
    """Remove a generation that doesn't decide, if its number was typed once more."""
    generation = _generation(visit)
    if visit.fields.get("typed", "").strip() != str(generation):
        raise HTTPException(400, f"Nothing was removed. Type {generation} to remove it.")
    visit.vault.drop(generation, by=visit.someone.name)
    return visit.to("/generations", f"Generation {generation} is removed.")


def _generation(visit: Visit) -> GenerationId:
    text = visit.fields.get("generation", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HTTPException(400, "Say which generation, by its number.")
    return GenerationId(int(text))
