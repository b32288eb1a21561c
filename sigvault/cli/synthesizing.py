"""``synth``: signatures of signers that don't exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption, SeedOption
from sigvault.cli.output import Output
from sigvault.domain.population import Population


def synth(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder to write to; made if need be.")
    ],
    signers: Annotated[int, typer.Option(min=1, help="How many signers.")] = 20,
    genuine: Annotated[int, typer.Option(min=1, help="Genuine signatures of each.")] = 12,
    forged: Annotated[int, typer.Option(min=0, help="Skilled forgeries of each.")] = 8,
    seed: SeedOption = 0,
    population: Annotated[
        Population, typer.Option(help="Which signers and forgers there are.")
    ] = Population.DEMONSTRATION,
    clutter: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of pictures with lines, stamps or print."),
    ] = 0.0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the pictures of an earlier run.")
    ] = False,
    as_json: JsonOption = False,
) -> ExitCode:
    """Write signatures of synthetic signers, in the layout `folders`."""
    from sigvault.cli.documents import to_document
    from sigvault.synthesis import SynthesisSettings, write_dataset

    output = Output(as_json=as_json)
    settings = SynthesisSettings(
        signers=signers,
        genuine=genuine,
        forged=forged,
        seed=seed,
        population=population,
        clutter=clutter,
    )
    with output.progress("Writing signatures") as advance:
        summary = write_dataset(out, settings, advance, overwrite=overwrite)
    output.result(
        to_document(summary),
        f"Wrote {summary.genuine} genuine signatures and {summary.forged} forgeries of "
        f"{len(summary.signers)} signers to {summary.folder}.",
    )
    return ExitCode.DONE
