"""The guide's examples run, one after the other, against a service."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from fakes import draw_blank, draw_signature

FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8000"


def test_the_examples_of_the_guide_run(service, key, repository, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sigvault.key").write_text(key() + "\n")
    (tmp_path / "blank.png").write_bytes(draw_blank())
    for number in (1, 2, 3):
        (tmp_path / f"{number}.png").write_bytes(draw_signature(77, number))
    (tmp_path / "questioned.png").write_bytes(draw_signature(77, 9))
    examples = FENCE.findall((repository / "docs" / "client.md").read_text("utf-8"))
    assert len(examples) == 5
    names: dict[str, object] = {}
    for code in examples:
        assert ADDRESS in code
        script = compile(code.replace(ADDRESS, service.url), "docs/client.md", "exec")
        with ThreadPoolExecutor(1) as thread:  # this one may have a browser's event loop
            thread.submit(exec, script, names).result()
    said = capsys.readouterr().out
    assert said.startswith("1 enrolled \n2 enrolled \n3 enrolled \naccept ")
    assert "unknown-signer Enroll the signer" in said
    assert "1 failure-to-enroll" in said
    assert "the service can't be reached" in said
    assert names["kinds"].count("reference-enrolled") == 3
