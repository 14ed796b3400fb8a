"""An installed Chromium for tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.common import errors

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
NO_SANDBOX = '--no-sandbox'  # which root and most containers lack


def chromium() -> str:
    """The path of the browser; the test is skipped without one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip('no Chromium to open the page')
    return found


@pytest.fixture(scope='module')
def browser() -> Iterator:
    """A browser that Playwright drives (`playwright.sync_api.Browser`); the test is skipped without it."""
    if missing := errors.missing_packages('playwright', 'axe_playwright_python'):
        pytest.skip(f'no {" and no ".join(missing)} to drive a browser')
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=[NO_SANDBOX])
        yield opened
        opened.close()


def violations(page) -> list[str]:
    """What axe-core finds against WCAG 2.2, levels A and AA."""
    from axe_playwright_python.sync_playwright import Axe

    tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
    found = Axe().run(page, options={'runOnly': tags, 'resultTypes': ['violations']}).response['violations']
    return [f'{one["id"]}: {node["html"][:200]}' for one in found for node in one['nodes']]


def opened(browser, path: Path, width: int = 1280, height: int = 900, **options):
    """A page with a file, in a context of its own."""
    context = browser.new_context(viewport={'width': width, 'height': height}, **options)
    return goto(context, path)


def goto(context, path: Path):
    """A new page with a file. Its attribute `faults` lists errors of its scripts, and what it asked the
    network for."""
    page = context.new_page()
    page.set_default_timeout(120_000)  # milliseconds: a busy machine may be slow
    page.faults = []
    page.on('pageerror', lambda error: page.faults.append(str(error)))
    page.on('console', lambda message: message.type == 'error' and page.faults.append(message.text))
    page.on('request', lambda request: request.url.startswith('http') and page.faults.append(request.url))
    page.goto(path.as_uri())
    return page
