"""The pages of the notebooks open from a folder without a network; thumbnails are small and there."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

import flipbook
from gallery import THUMBNAIL_WH, THUMBNAILS, heading, page_link, readme_table, thumbnail, write_site
from notebook_form import FOLDER, find
from wbkit.widgets.canvas import encode

LESSONS = sorted(FOLDER.glob("*.ipynb"))


class Addresses(HTMLParser):
    """What a page loads by itself, and where its links lead."""

    def __init__(self, page: Path):
        super().__init__()
        self.loaded, self.links, self.ids = [], [], set()
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag != "a":
            self.loaded += [given[k] for k in ("src", "href", "data") if given.get(k)]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    pages = write_site(out)
    assert len(pages) == len(find([])) + 1
    return out


def test_pages_load_nothing_and_link_to_pages_that_exist(site):
    for page in site.rglob("*.html"):
        found = Addresses(page)
        assert all(address.startswith("data:") for address in found.loaded), page
        assert not re.search(r"@import|url\((?!.?data:)", page.read_text())
        for link in found.links:
            if re.match(r"\w+:", link):
                continue
            name, _, part = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if target.stem[:2] in {path.name[:2] for path in LESSONS} | {"in"}:  # others are still to come
                assert target.is_file(), f"{page.name} -> {link}"
            if part and not name:
                assert part in found.ids


@pytest.mark.parametrize(("name", "count"), [("03", 1), ("04", 1), ("09", 2), ("08", 0)])
def test_explorers_that_need_no_kernel_move_in_the_pages(site, name, count):
    """The pictures of all values are in the page; it begins with the notebook's own."""
    (page,) = site.glob(f"{name}_*.html")
    books = re.findall(r'<figure class="flipbook">.*?</figure>', page.read_text(), re.DOTALL)
    assert len(books) == count
    for book in books:
        frames = json.loads(re.search(r'<script type="application/json">(.*?)</script>', book)[1])
        begun = re.search(r'<img [^>]*src="([^"]+)"', book)[1]
        assert len({picture for picture, *_ in frames}) == len(frames) > 10
        assert begun in {picture for picture, *_ in frames}
        for _, said, value, words in frames:
            assert value in said or "no noise" in said
            assert 'role="status"' in words


def test_a_picture_of_something_else_stays():
    """A flipbook replaces only what it begins with."""
    notebook = nbformat.read(FOLDER / "04_dark.ipynb", 4)
    output = next(
        o for c in notebook.cells for o in c.get("outputs", []) if "image/jpeg" in o.get("data", {})
    )
    kept = dict(output.data)
    output.data["text/plain"] += " and more"
    assert flipbook.animate(notebook) == 0
    output.data = kept | {"image/jpeg": base64.b64encode(encode(np.zeros((566, 740, 3), np.uint8))).decode()}
    assert flipbook.animate(notebook) == 0
    output.data = kept
    assert flipbook.animate(notebook) == 1


def test_the_index_shows_every_lesson_with_its_idea(site):
    text = (site / "index.html").read_text()
    assert text.count('<section class="card">') == text.count("<img ") == len(LESSONS)
    for path in LESSONS:
        title, idea, seconds = heading(nbformat.read(path, 4))
        assert re.match(rf"{path.name[:2]} · \w", title)
        assert len(idea) > 20
        assert "s on two cores" in seconds


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
def test_thumbnails_are_there_and_small(path):
    image = THUMBNAILS / f"{path.name[:2]}.png"
    assert image.is_file(), "run python tools/gallery.py --thumbnails"
    assert image.stat().st_size < 40_000
    assert Image.open(image).size == THUMBNAIL_WH
    assert thumbnail(nbformat.read(path, 4)) is not None


def test_readme_lists_the_lessons_as_they_are():
    readme = (FOLDER.parent / "README.md").read_text()
    assert readme_table() in readme, "run python tools/gallery.py --thumbnails"


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("02_from.ipynb", "02_from.html"),
        ("../01_meet.ipynb#sizes", "../01_meet.html#sizes"),
        ("https://example.org/a.ipynb", "https://example.org/a.ipynb"),
        ("../README.md", "../README.md"),
    ],
)
def test_links_between_notebooks(address, page):
    assert page_link(address) == page
