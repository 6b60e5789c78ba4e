"""docs/explorers/*.jpg: tabs of the app as a browser shows them, with the shipped model. Needs Chromium.

python tools/explorer_pictures.py     (after data/models or wbkit/widgets have changed)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))

import lab  # noqa: E402  (the browser tests' way to open the app)
from playwright.sync_api import Page, sync_playwright  # noqa: E402

TABS = {"heatmap_explorer": "A keypoint's heatmap", "failure_browser": "Failures"}
"""File -> title of the tab."""


def take(page: Page, title: str, path: Path) -> None:
    """One tab, once its pictures are there."""
    page.get_by_role("tab", name=title).click()
    explorer = page.locator(".wbkit-explorer:visible")
    explorer.locator("img.widget-image").first.wait_for()
    page.wait_for_timeout(1500)  # for the last of its pictures to be drawn
    explorer.screenshot(path=path, type="jpeg", quality=82)


def main() -> None:
    scratch = tempfile.TemporaryDirectory()
    app = ROOT / "app" / "explorers.ipynb"
    with scratch as folder, lab.voila(app, Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=lab.chromium(), args=lab.FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 1400})
        page.set_default_timeout(lab.PATIENCE)
        page.goto(address)
        page.get_by_role("tab").first.wait_for()
        for name, title in TABS.items():
            take(page, title, ROOT / "docs" / "explorers" / f"{name}.jpg")
        browser.close()


if __name__ == "__main__":
    main()
