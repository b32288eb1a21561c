"""How long the review page's pages and keys take in a real Chromium on this computer.

Run: ``python benchmarks/page_times.py [--rounds 5]``

Serves the pages of a vault of synthetic signers, as ``scripts/picture_pages`` does, and looks at
them with a headless Chromium:

- each page from the click on an address to the end of loading, pictures and all; the first visit
  of a new browser, and the visits after it;
- each key on a case from its press to the second frame that is drawn after it, which is one to two
  frames of 16.7 ms more than the work itself;
- moving the accept point until the new figures stand there, and a verdict, two seconds after its
  case was opened, until the next page does.

Bars: a first page within 1 s, an interaction within 100 ms. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from playwright.sync_api import Browser, Page, sync_playwright

from sigvault.synthesis import SynthesisSettings, write_dataset
from sigvault.vault import Vault

ROOT = Path(__file__).resolve().parents[1]
KEYS = {
    "i": "ink instead of the scan",
    "o": "overlay",
    "f": "flicker",
    "s": "side by side",
    "+": "zoom in",
    "0": "whole signatures",
    "a": "choose a verdict",
}
LOOK = 2000
"""Milliseconds, which is less than anybody takes for a verdict."""
PRESS = """
key => new Promise(done => {
  const began = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})
"""
LOADED = """
() => {
  const [entry] = performance.getEntriesByType("navigation");
  return entry.loadEventEnd - entry.startTime;
}
"""
MOVE = """
() => new Promise((done, fail) => {
  const slider = document.getElementById("at");
  const began = performance.now();
  new MutationObserver((_, observer) => {
    observer.disconnect();
    done(performance.now() - began);
  }).observe(document.getElementById("moved"), {childList: true});
  setTimeout(() => fail(new Error("nothing moved")), 120000);
  slider.value = Number(slider.value) > 10 ? Number(slider.value) - 5 : Number(slider.value) + 5;
  slider.dispatchEvent(new Event("input", {bubbles: true}));
})
"""


def main() -> int:
    """Make the vault, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    pictures = helpers()
    chromium = pictures.find_chromium()
    if chromium is None:
        sys.exit("no chromium is installed: `apt-get install chromium`")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        signatures = Path(folder) / "signatures"
        settings = SynthesisSettings(
            signers=pictures.SIGNERS, genuine=pictures.REFERENCES + 2, forged=3, seed=4
        )
        write_dataset(signatures, settings, lambda *_: None)
        with (
            pictures.make_vault(Path(folder) / "vault", signatures) as vault,
            pictures.serve(vault) as address,
        ):
            lines = measure(browser, address, vault, chosen.rounds)
        browser.close()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def helpers() -> ModuleType:
    """What ``scripts/picture_pages`` makes its vault and its server with."""
    path = ROOT / "scripts" / "picture_pages"
    loader = SourceFileLoader("picture_pages", str(path))
    module = module_from_spec(spec_from_loader(loader.name, loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    return module


def measure(browser: Browser, address: str, vault: Vault, rounds: int) -> list[str]:
    """The tables' lines."""
    cases = [each.event for each in vault.reviews()]
    pages = {
        "queue": "/queue",
        "case": f"/cases/{cases[0]}",
        "verify": "/verify",
        "signers": "/signers",
        "signer": "/signers/show?signer=001",
        "audit": "/audit",
        "thresholds": "/thresholds?references=5",
        "generations": "/generations",
    }
    lines = ["| Page, ms | first visit of a browser | later, median | most |", "|---|---|---|---|"]
    for name, path in pages.items():
        context = browser.new_context(base_url=address)
        page = context.new_page()
        page.set_default_timeout(120_000)
        times = [visit(page, path) for _ in range(rounds + 1)]
        lines.append(row(name, times[1:], first=times[0]))
        context.close()
    lines += ["", "| Interaction, ms | median | most |", "|---|---|---|"]
    page = browser.new_context(base_url=address).new_page()
    page.set_default_timeout(120_000)
    visit(page, pages["case"])
    page.wait_for_load_state("networkidle")
    pressed: dict[str, list[float]] = {what: [] for what in KEYS.values()}
    for _ in range(rounds):
        for key, what in KEYS.items():
            pressed[what].append(float(page.evaluate(PRESS, key)))
    lines += [row(f"key: {what}", times) for what, times in pressed.items()]
    visit(page, pages["thresholds"])
    page.wait_for_load_state("networkidle")
    moved = []
    for _ in range(rounds):
        moved.append(float(page.evaluate(MOVE)))
        page.wait_for_timeout(300)  # moves in quick succession are drawn together
    lines.append(row("moving the accept point", moved))
    lines.append(row("a verdict", [decide(page, case) for case in cases[:rounds]]))
    return lines


def visit(page: Page, path: str) -> float:
    """Open a page; milliseconds until all of it is loaded."""
    page.goto(path, wait_until="load")
    return float(page.evaluate(LOADED))


def decide(page: Page, case: int) -> float:
    """Give a verdict after a look; milliseconds until the page after it is loaded."""
    page.goto(f"/cases/{case}")
    page.wait_for_timeout(LOOK)
    page.keyboard.press("a")
    page.get_by_label("Reason").fill("the same hand")
    with page.expect_navigation(wait_until="load"):
        page.get_by_role("button", name="Record").click()
    return float(page.evaluate(LOADED))


def row(what: str, times: list[float], first: float | None = None) -> str:
    """A line of a table."""
    once = "" if first is None else f" {first:.0f} |"
    return f"| {what} |{once} {statistics.median(times):.0f} | {max(times):.0f} |"


if __name__ == "__main__":
    sys.exit(main())
