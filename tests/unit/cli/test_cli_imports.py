from __future__ import annotations

import json

from command_line import run_process

PROBE = """
import json, sys
import sigvault.cli.app
slow = {"alembic", "faiss", "jinja2", "matplotlib", "numpy", "PIL", "rich", "scipy",
        "skimage", "sklearn", "sqlalchemy", "torch", "torchvision"}
print(json.dumps(sorted(slow & set(sys.modules))))
"""


def test_the_command_line_starts_without_anything_slow():
    outcome = run_process([], program=("-c", PROBE))

    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out) == []


def test_help_needs_nothing_slow_either():
    program = PROBE.replace(
        "import sigvault.cli.app", "from sigvault.cli.app import main; main(['verify', '--help'])"
    )

    outcome = run_process([], program=("-c", program))

    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out.splitlines()[-1]) == []
    assert "--report" in outcome.out
