"""The review page in a real browser: by mouse, by keyboard, in both themes, at any width."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest
from browser import chromium, violations, watched_page
from playwright.sync_api import Page, expect
from web_server import serve

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault
from sigvault.domain.identifiers import SignerId
from sigvault.settings import Settings
from sigvault.vault import EnrollmentItem, Vault

__all__ = ["chromium"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

THEMES = ["light", "dark"]


@pytest.fixture
def vault(tmp_path) -> Iterator[Vault]:
    """Four signers with four references each, and two doubtful verifications."""
    settings = Settings(tmp_path / "vault", keep_probes="always", by="tester")
    with create_vault(settings, embedder=FakeEmbedder()) as vault:
        items = [
            EnrollmentItem(SignerId(str(signer)), draw_signature(signer, number))
            for signer in range(4)
            for number in range(4)
        ]
        vault.enroll(items, names={SignerId("1"): "Ada Example"})
        for number in (10, 11):
            found = vault.verify(SignerId("2"), draw_signature(4, number))
            assert found.evidence.decision == "review"
        yield vault


@pytest.fixture
def address(vault) -> Iterator[str]:
    """Where the vault's pages are served."""
    with serve(vault) as address:
        yield address


@pytest.fixture
def page(chromium, address) -> Iterator[Page]:
    """A wide window, light."""
    with watched_page(chromium, address, viewport={"width": 1280, "height": 900}) as page:
        yield page


def _file(name: str, data: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def test_a_day_at_the_desk(page, vault):
    page.goto("/enroll")
    page.get_by_label("Signer's identifier").fill("53")
    page.get_by_label("Genuine signatures").set_input_files(
        [
            *(_file(f"{number}.png", draw_signature(50, number)) for number in range(3)),
            _file("odd.png", draw_signature(77)),
        ]
    )
    expect(page.locator(".chosen li")).to_have_count(4)
    page.get_by_role("button", name="Enroll").click()
    expect(page.get_by_text("The fourth differs from the others")).to_be_visible()

    page.goto("/verify?signer=1")
    page.get_by_label("Questioned signature").set_input_files(_file("q.png", draw_signature(1, 9)))
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("Accepted")).to_be_visible()

    page.goto("/queue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("^Case "))).to_be_visible()
    first = int(page.url.rpartition("/")[2])
    page.keyboard.press("r")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("a slow and careful line")  # its letters are no shortcuts
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"Case {first}: your verdict")).to_be_visible()
    second = int(page.url.rpartition("/")[2])
    assert second != first
    page.keyboard.press("c")
    page.keyboard.type("too little to see")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    assert [vault.review(each).verdicts[0].verdict for each in (first, second)] == [
        "refuse",
        "cannot-tell",
    ]

    page.goto("/audit")
    expect(page.get_by_text("Verdict given")).to_have_count(2)
    page.get_by_role("button", name="Check everything").click()
    expect(page.get_by_text("The chain is whole")).to_be_visible()

    page.goto("/signers/show?signer=3")
    page.get_by_label("Type 3 to confirm").fill("3")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("Signer 3 is erased")).to_be_visible()
    assert len(vault.signers()) == 4


@pytest.mark.parametrize("theme", THEMES)
def test_a_reference_is_erased_by_keyboard_alone(chromium, address, vault, theme):
    first, second, *_ = vault.signer(SignerId("3")).references
    with watched_page(
        chromium, address, viewport={"width": 360, "height": 800}, color_scheme=theme
    ) as page:
        page.goto("/signers/show?signer=3")
        expect(page.get_by_label("Why erase reference 2?")).to_be_hidden()
        page.get_by_text("Erase reference 2", exact=True).focus()
        page.keyboard.press("Enter")
        reason = page.get_by_label("Why erase reference 2?")
        expect(reason).to_be_visible()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.keyboard.press("Tab")
        expect(reason).to_be_focused()
        page.keyboard.press("Enter")  # without a reason the browser itself sends nothing
        assert page.url.endswith("/signers/show?signer=3")
        page.keyboard.type("a bad scan")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Reference 2 is erased; 3 references left")).to_be_visible()
        expect(page.get_by_text("a bad scan")).to_be_visible()
    left = [one.id for one in vault.signer(SignerId("3")).references]
    assert (len(left), left[0], second.id in left) == (3, first.id, False)


def test_pictures_can_be_dropped(page):
    page.goto("/enroll")
    data = base64.b64encode(draw_signature(5)).decode()
    page.evaluate(
        """data => {
          const bytes = Uint8Array.from(atob(data), one => one.charCodeAt(0));
          const carried = new DataTransfer();
          carried.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
          const event = new DragEvent("drop", {dataTransfer: carried, bubbles: true});
          document.querySelector(".drop").dispatchEvent(event);
        }""",
        data,
    )
    expect(page.locator(".chosen li")).to_contain_text("dropped.png")
    image = page.locator(".chosen img")
    expect(image).to_be_visible()
    assert image.evaluate("one => one.decode().then(() => one.naturalWidth)") == 400


def _open_case(page: Page) -> None:
    page.goto("/queue")
    page.keyboard.press("Enter")
    expect(page.locator(".toolbar")).to_be_visible()


def _boxes(page: Page) -> set[str]:
    return set(
        page.locator("svg.view").evaluate_all("all => all.map(one => one.getAttribute('viewBox'))")
    )


def test_all_signatures_zoom_and_pan_together(page):
    _open_case(page)
    (whole,) = _boxes(page)
    page.keyboard.press("+")
    page.keyboard.press("+")
    (near,) = _boxes(page)
    assert float(near.split()[2]) == pytest.approx(float(whole.split()[2]) / 2.25)
    page.keyboard.press("ArrowLeft")
    (left,) = _boxes(page)
    assert float(left.split()[0]) < float(near.split()[0])
    box = page.locator(".signature.probe svg.view").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 40, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    (dragged,) = _boxes(page)
    assert float(dragged.split()[0]) > float(left.split()[0])
    page.keyboard.press("0")
    assert _boxes(page) == {whole}


def test_signatures_lie_at_one_scale(page):
    _open_case(page)
    shown = page.locator(".signature svg.view").evaluate_all(
        """all => all.map(one => {
          const scan = one.querySelector("image.scan");
          return scan.getBoundingClientRect().width / scan.getAttribute("width");
        })"""
    )
    assert len(shown) == 5
    assert max(shown) == pytest.approx(min(shown), rel=0.01)


def test_the_probe_is_laid_over_a_reference_and_takes_turns(page):
    _open_case(page)
    stage = page.locator(".stage")
    expect(stage).to_be_hidden()
    page.keyboard.press("o")
    expect(stage).to_be_visible()
    expect(stage.locator(".above")).to_have_attribute("opacity", "1")
    page.get_by_label("Reference to probe").fill("10")
    expect(stage.locator(".above")).to_have_attribute("opacity", "0.2")
    expect(stage.locator(".below")).to_have_attribute("opacity", "1")
    first = stage.locator(".below image").get_attribute("href")
    page.get_by_label("Reference", exact=True).select_option("Reference 3")
    assert stage.locator(".below image").get_attribute("href") != first
    page.locator("#main").press("i")
    assert "tone=reference" in stage.locator(".below image").get_attribute("href")
    assert "tone=probe" in stage.locator(".above image").get_attribute("href")
    page.keyboard.press("f")
    seen = set()
    for _ in range(30):
        seen.add(stage.get_attribute("data-shown"))
        page.wait_for_timeout(100)
    assert seen == {"above", "below"}
    page.keyboard.press("s")
    expect(stage).to_be_hidden()


def test_nothing_flickers_for_who_wants_little_movement(chromium, address):
    with watched_page(chromium, address, reduced_motion="reduce") as page:
        _open_case(page)
        page.keyboard.press("f")
        page.wait_for_timeout(1600)
        expect(page.locator(".stage")).to_have_attribute("data-shown", "above")
        page.get_by_role("button", name="Swap").click()
        expect(page.locator(".stage")).to_have_attribute("data-shown", "below")


def test_keys_are_explained_and_can_be_turned_off(page):
    _open_case(page)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Accept")
    page.keyboard.press("Escape")
    page.get_by_label("Single-key shortcuts").uncheck()
    page.locator("body").press("a")
    expect(page.get_by_role("radio", name="Accept")).not_to_be_checked()
    page.reload()
    page.locator("body").press("a")
    expect(page.get_by_role("radio", name="Accept")).not_to_be_checked()
    page.get_by_label("Single-key shortcuts").check()
    page.locator("body").press("a")
    expect(page.get_by_role("radio", name="Accept")).to_be_checked()


def test_signers_are_found_while_typing(page):
    page.goto("/signers")
    expect(page.locator("#found tbody tr")).to_have_count(4)
    page.get_by_label("Identifier or name").press_sequentially("ada")
    expect(page.locator("#found tbody tr")).to_have_count(1)
    assert page.url.endswith("search=ada")
    expect(page.get_by_label("Identifier or name")).to_be_focused()


def test_the_accept_point_moves_with_the_slider(page, vault):
    used = vault.reviews()[0].evidence.threshold.references
    page.goto(f"/thresholds?references={used}")
    expect(page.locator("#moved")).not_to_contain_text("Moved")
    page.get_by_label("Move the accept point").fill("0")
    expect(page.locator("#moved")).to_contain_text("Moved, 0.600")
    expect(page.locator("#moved")).to_contain_text("2 would be accepted (0 now)")


def _mark(page: Page, region: str) -> None:
    """Mark a region that readers listen to; what takes its place has no mark."""
    assert page.locator(region).evaluate(
        """one => {
          one.marked = true;
          return one.getAttribute("aria-live") || one.getAttribute("role");
        }"""
    ) in ("polite", "status")


def _lasts(page: Page, region: str) -> bool:
    return page.locator(region).evaluate("one => one.marked === true")


def test_what_changes_is_said_to_readers(page):
    page.goto("/audit")
    _mark(page, "#check")
    page.get_by_role("button", name="Check everything").click()
    expect(page.locator("#check")).to_contain_text("The chain is whole")
    assert _lasts(page, "#check")
    page.get_by_role("button", name="Check everything").click()
    expect(page.locator("#check section")).to_have_count(1)
    page.goto("/signers")
    _mark(page, "#found-count")
    page.get_by_label("Identifier or name").press_sequentially("ada")
    expect(page.locator("#found-count")).to_have_text("1 signer with “ada”")
    expect(page.locator("#found tbody tr")).to_have_count(1)
    assert _lasts(page, "#found-count")
    page.goto("/thresholds?references=3")
    _mark(page, "#moved-to")
    page.get_by_label("Move the accept point").fill("0")
    expect(page.locator("#moved-to")).to_contain_text("Accepting from 0.600")
    expect(page.locator("#moved")).to_contain_text("Moved, 0.600")
    assert _lasts(page, "#moved-to")


def test_a_form_is_sent_once(page, vault):
    before = vault.audit_size()
    page.goto("/verify?signer=1")
    page.get_by_label("Questioned signature").set_input_files(_file("q.png", draw_signature(1, 9)))
    page.evaluate(
        """() => {
          const button = document.querySelector("form .primary");
          const form = button.form;
          button.click();
          button.click();
          form.requestSubmit();
        }"""
    )
    expect(page.get_by_text("Accepted")).to_be_visible()
    assert vault.audit_size() == before + 1
    page.go_back()
    expect(page.get_by_role("button", name="Verify")).to_be_enabled()


def test_a_button_rests_until_the_answer_is_there(page):
    _open_case(page)
    page.keyboard.press("r")
    page.keyboard.type("slow")
    page.evaluate("addEventListener('submit', event => event.preventDefault())")  # none comes
    button = page.get_by_role("button", name="Record the verdict")
    button.click()
    expect(button).to_be_disabled()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(button).to_be_enabled()


def test_everything_can_be_reached_by_tab(page):
    _open_case(page)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => { const one = document.activeElement;"
                " return one.id || one.textContent.trim().slice(0, 20) || one.value }"
            )
        )
    for wanted in ("Queue", "Verify", "reason", "accept", "Overlay o"):
        assert wanted in reached
    page.goto("/queue")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_a_case_is_decided_without_scripts(chromium, address, vault):
    with watched_page(chromium, address, java_script_enabled=False) as page:
        page.goto("/queue")
        page.get_by_role("link", name=re.compile("^Begin with case")).click()
        expect(page.locator(".signature svg.view")).to_have_count(5)
        page.locator(".choice.accept").click()
        page.get_by_label("Reason").fill("alike")
        page.get_by_role("button", name="Record the verdict").click()
        expect(page.get_by_text("your verdict")).to_be_visible()
    assert vault.count_reviews() == 1


def _addresses(vault: Vault) -> list[str]:
    case = vault.reviews()[0].event
    return [
        "/queue",
        f"/cases/{case}",
        "/verify",
        "/identify",
        "/signers",
        "/signers/show?signer=1",
        "/enroll",
        "/audit",
        "/thresholds?references=3",
        "/thresholds?references=3&at=0",
        "/generations",
        "/sign-in",
        "/cases/999999",
    ]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_and_nothing_sticks_out(chromium, address, vault, theme, width):
    size = {"width": width, "height": 800}
    with watched_page(chromium, address, color_scheme=theme, viewport=size) as page:
        for path in _addresses(vault):
            page.goto(path)
            assert violations(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_in_what_comes_up_later(chromium, address, theme):
    with watched_page(chromium, address, color_scheme=theme) as page:
        _open_case(page)
        page.keyboard.press("o")
        page.keyboard.press("i")
        assert violations(page) == []
        page.keyboard.press("?")
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.goto("/queue")
        page.get_by_role("button", name="Blind mode off").click()
        assert violations(page) == []
        page.keyboard.press("Enter")
        expect(page.get_by_text("hidden until you have decided")).to_be_visible()
        assert violations(page) == []
        page.goto("/verify")
        page.get_by_label("Claimed signer").fill("nobody")
        page.get_by_label("Questioned signature").set_input_files(
            _file("q.png", draw_signature(1, 9))
        )
        page.get_by_role("button", name="Verify").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert violations(page) == []
        page.get_by_label("Claimed signer").fill("1")
        page.get_by_label("Questioned signature").set_input_files(
            _file("q.png", draw_signature(1, 9))
        )
        page.get_by_role("button", name="Verify").click()
        expect(page.get_by_text("Open as case")).to_be_visible()
        assert violations(page) == []
        page.goto("/audit")
        page.get_by_role("button", name="Check everything").click()
        expect(page.get_by_text("The chain is whole")).to_be_visible()
        page.locator("summary").first.click()
        assert violations(page) == []
        page.goto("/identify")
        page.get_by_label("Signature").set_input_files(_file("q.png", draw_signature(1, 9)))
        page.get_by_role("button", name="Identify").click()
        expect(page.get_by_role("heading", name="Candidates")).to_be_visible()
        assert violations(page) == []
