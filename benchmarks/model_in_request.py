"""What one would write instead of a service: a web app that calls the model inside each request.

``benchmarks/http_service.py`` runs it beside sigvault. DeepFace's API and CompreFace's embedding
server work like this: a framework's thread takes the request, decodes, runs the network on one
picture, compares with vectors in memory, answers. Nothing is recorded, nobody is asked for a key,
requests share no forward pass, and as many work at the same time as the framework has threads.

Run: ``python benchmarks/model_in_request.py VAULT PORT THREADS``

It serves until it is stopped, and prints no figures of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn
from fastapi import FastAPI, File, UploadFile

from sigvault.bootstrap import open_vault
from sigvault.domain.comparison import compare
from sigvault.domain.identifiers import SignerId
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.services.acquisition import acquire
from sigvault.services.resources import recipe_of
from sigvault.services.verification import read_claim, require_threshold


def make(vault: Path, threads: int) -> FastAPI:
    """The app, with every gallery in memory."""
    embedder = TorchEmbedder(bundled_model(), "auto", threads)
    recipe = recipe_of(embedder)
    with open_vault(vault) as opened:
        claims = {
            each.signer: read_claim(opened._resources.engine, each.signer)  # noqa: SLF001
            for each in opened.signers()
        }
    app = FastAPI()

    @app.get("/health/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/v1/signers/{signer}/verify")
    def verify(signer: str, image: UploadFile = File()) -> dict[str, object]:  # noqa: B008
        claim = claims[SignerId(signer)]
        acquired = acquire(image.file.read(), recipe)
        (probe,) = embedder.embed([acquired.prepared.ink])
        threshold = require_threshold(claim.generation, len(claim.gallery.references))
        score = compare(probe, claim.gallery, threshold.fusion)
        return {"score": score.value, "decision": threshold.decide(score.value).value}

    return app


def main() -> None:
    """Serve a vault's signers."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog="benchmarks/http_service.py runs it beside sigvault and measures both.",
    )
    parser.add_argument("vault", type=Path, help="the folder of a vault with signers enrolled")
    parser.add_argument("port", type=int, help="0 for any that is free")
    parser.add_argument("threads", type=int, help="of torch")
    chosen = parser.parse_args()
    uvicorn.run(make(chosen.vault, chosen.threads), port=chosen.port, log_level="info")


if __name__ == "__main__":
    main()
