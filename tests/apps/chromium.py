"""A headless Chromium for tests of pages: what a user's browser does, for real."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Playwright, sync_playwright

NAMES = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)
# The 3D view first tries WebGPU, which no headless browser has, and says so as an error
EXPECTED_ERROR = "WebGPU"


@dataclass
class Visit:
    """One page, with what it asked for and what it complained of.

    Attributes:
        page: of playwright.
        hosts: ``host:port`` of every request.
        errors: errors in the console, uncaught exceptions, answers of 400 and more.
    """

    page: Page
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)


@contextmanager
def visit(url: str, *, width: int = 1280, height: int = 1000) -> Iterator[Visit]:
    """Opens a page in a fresh browser, without cookies or cache."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(playwright), args=[*FLAGS]
        )
        page = browser.new_page(viewport={"width": width, "height": height})
        seen = Visit(page)
        _listen(seen)
        page.goto(url)
        yield seen
        browser.close()


def executable(playwright: Playwright) -> str:
    """Path of Chromium; the test fails where there is none."""
    own = playwright.chromium.executable_path
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and not Path(own).exists():
        pytest.fail(
            "Chromium is missing, the demo cannot be tested: make apt-dev, or "
            "sudo apt-get install chromium, or .venv/bin/playwright install chromium"
        )
    return found or own


def _listen(seen: Visit) -> None:
    def on_console(message) -> None:
        if message.type == "error" and EXPECTED_ERROR not in message.text:
            seen.errors.append(message.text)

    def on_response(response) -> None:
        if response.status >= 400:
            seen.errors.append(f"{response.status} {response.url}")

    def on_request(request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob"):
            seen.hosts.add(parts.netloc)

    seen.page.on("console", on_console)
    seen.page.on("response", on_response)
    seen.page.on("request", on_request)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
