"""Does what a vault is asked to do, one thing after the other, until it is killed.

Run: ``python kill_worker.py FOLDER LOG SEED``. Each thing is told before and after it is done, a
line of JSON each: what was told as done has to be there after the kill.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import open_vault
from sigvault.services import gallery_index, generations
from sigvault.services.enrollment import EnrollmentItem
from sigvault.services.reindexing import ReindexPlan
from sigvault.vault import Vault

MODELS = (FakeEmbedder(), FakeEmbedder("new"))
EACH = 2
MOST = 8
"""Signers kept at most, so that a re-index takes about as long as the rest."""


def main(folder: Path, log: Path, seed: int) -> None:
    """Work until killed."""
    rng = random.Random(seed)
    generations._DELETED_AT_ONCE = 5  # several transactions even here
    gallery_index._KEEP_FROM = 1  # a snapshot is written even here
    with log.open("a", encoding="utf-8") as told:

        def tell(**what: object) -> None:
            told.write(json.dumps(what) + "\n")
            told.flush()

        tell(ready=True)
        while True:
            with open_vault(folder, embedder=MODELS) as vault:
                for _ in range(6):
                    work(vault, rng, tell)


def work(vault: Vault, rng: random.Random, tell: Callable[..., None]) -> None:
    """One thing, by chance."""
    signers = [one.signer for one in vault.signers()]
    chance = rng.random()
    if not signers or (chance < 0.4 and len(signers) < MOST):
        number = rng.randrange(10**6)
        items = [
            EnrollmentItem(f"{number}", draw_signature(number, place)) for place in range(EACH)
        ]
        tell(begin="enroll", signer=str(number))
        assert vault.enroll(items).enrolled == EACH
        tell(done="enroll", signer=str(number))
    elif chance < 0.5:
        number = rng.randrange(10**6)
        signer = rng.choice(signers)
        vault.enroll([EnrollmentItem(signer, draw_signature(number))])
        for reference in vault.signer(signer).references[EACH:]:  # also what a kill left over
            vault.erase_reference(signer, reference.id, reason="a kill came before")
        tell(done="erase-reference", signer=signer)
    elif chance < 0.65:
        signer = rng.choice(signers)
        tell(begin="erase", signer=signer)
        vault.erase(signer)
        tell(done="erase", signer=signer)
    elif chance < 0.78:
        status = vault.status()
        other = next(one for one in MODELS if one.model != status.model)
        tell(begin="reindex", model=other.model)
        vault.reindex(other, ReindexPlan(force=True, batch=4))
        tell(done="reindex", model=other.model)
    elif chance < 0.87:
        idle = [one.id for one in vault.generations() if one.status != "active"]
        if idle:
            tell(begin="drop", generation=idle[0])
            vault.drop(idle[0])
            tell(done="drop", generation=idle[0])
    else:
        found = vault.identify(draw_signature(rng.randrange(100), 9))
        tell(done="identify", event=found.event)
        vault.verify(rng.choice(signers), draw_signature(1, 9))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
