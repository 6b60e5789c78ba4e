"""One JupyterLab and one browser for all browser tests; gone before others, which run event loops, too."""

import shutil
from pathlib import Path

import lab
import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A copy of the notebooks: nothing that the browser saves reaches the checkout."""
    copy = tmp_path_factory.mktemp("lab") / "notebooks"
    shutil.copytree(lab.ROOT / "notebooks", copy)
    return copy


@pytest.fixture(scope="module")
def address(folder, tmp_path_factory):
    with lab.jupyter_lab(folder, tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="module")
def browser(address):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=lab.chromium(), headless=True, args=lab.FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_notebook(browser, address):
    """Open a notebook of `folder` in a new tab; the tab's kernel ends with the test."""
    contexts = []

    def opened(name: str) -> lab.Notebook:
        context = browser.new_context(viewport={"width": 1280, "height": 1400})
        contexts.append(context)
        return lab.Notebook(context.new_page(), address.format(name))

    yield opened
    for context in contexts:
        for page in context.pages:
            page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")
        context.close()
