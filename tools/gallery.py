"""The executed notebooks as HTML pages that open offline from a folder, with a page of contents; thumbnails.

python tools/gallery.py                       outputs/site/index.html and a page for every notebook
python tools/gallery.py --thumbnails          notebooks/thumbnails/NN.png, and README's table that shows them

A thumbnail is the first picture of the cell tagged "thumbnail", else of the notebook's largest picture.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

import flipbook
from notebook_form import FOLDER, ROOT, code_cells, find, is_solution
from wbkit.report import notebook_to_html, write_page
from wbkit.report_style import STYLE

THUMBNAILS = FOLDER / "thumbnails"
THUMBNAIL_WH = (320, 200)
README_MARKS = ("<!-- notebooks -->", "<!-- end of notebooks -->")
_CARDS = """
main { max-width: 76rem; } main > p { max-width: 46rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1.4rem; }
.card { border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.card img { width: 100%; aspect-ratio: 8 / 5; object-fit: contain; background: #fff; display: block;
  border-bottom: 1px solid var(--line); }
.card div { padding: .8rem 1rem 1rem; }
.card h2 { font-size: 1.08rem; margin: 0 0 .35rem; border: 0; padding: 0; }
.card p { font-size: .92rem; margin: 0 0 .6rem; } .card small { color: var(--soft); }
"""


def heading(notebook: NotebookNode) -> tuple[str, str, str]:
    """Title, the one idea and the run time, as a lesson's first cell states them."""
    text = notebook.cells[0].source
    title = re.search(r"^# (.+)$", text, re.M)
    idea = re.search(r"^\*([^*].*?)\*\s*$", text, re.M | re.S)
    seconds = re.search(r"\*\*Run time\*\*[\s|:]*([^|\n]+)", text)
    return tuple(found[1].strip() if found else "" for found in (title, idea, seconds))


# --- thumbnails --------------------------------------------------------------------------------------


def thumbnail(notebook: NotebookNode) -> Image.Image | None:
    """The notebook's picture on a white ground of `THUMBNAIL_WH`; None if it has none."""
    tagged = [c for c in code_cells(notebook) if "thumbnail" in c.metadata.get("tags", [])]
    encoded = [
        output.data[kind]
        for cell in tagged or code_cells(notebook)
        for output in cell.outputs
        for kind in ("image/png", "image/jpeg")  # figures, and the explorers' pictures
        if kind in output.get("data", {})
    ]
    if not encoded:
        return None
    pictures = [Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB") for text in encoded]
    picture = pictures[0] if tagged else max(pictures, key=lambda p: p.width * p.height)
    picture.thumbnail(THUMBNAIL_WH, Image.Resampling.LANCZOS)
    card = Image.new("RGB", THUMBNAIL_WH, "white")
    card.paste(picture, tuple((a - b) // 2 for a, b in zip(THUMBNAIL_WH, picture.size, strict=True)))
    return card


def write_thumbnails(folder: Path = THUMBNAILS) -> None:
    """One small PNG for each lesson."""
    folder.mkdir(exist_ok=True)
    for path in filter(lambda p: not is_solution(p), find([])):
        if picture := thumbnail(nbformat.read(path, 4)):
            out = folder / f"{path.name[:2]}.png"
            picture.quantize(128, Image.Quantize.MAXCOVERAGE, kmeans=2).save(out, optimize=True)
            print(f"{out.relative_to(ROOT)}: {out.stat().st_size / 1000:.0f} kB")


def readme_table() -> str:
    """README's table of the lessons, with its marks."""
    rows = []
    for path in filter(lambda p: not is_solution(p), find([])):
        title, idea, _ = heading(nbformat.read(path, 4))
        picture = f'<img src="notebooks/thumbnails/{path.name[:2]}.png" width="160" alt="">'
        rows.append(f"| {picture} | **[{title}](notebooks/{path.name})**<br>{' '.join(idea.split())} |")
    return "\n".join([README_MARKS[0], "| | |", "| --- | --- |", *rows, README_MARKS[1]])


def write_readme_table(readme: Path = ROOT / "README.md") -> None:
    """Put the table between its marks."""
    text = readme.read_text()
    before, rest = text.split(README_MARKS[0])
    readme.write_text(before + readme_table() + rest.split(README_MARKS[1])[1])


# --- pages -------------------------------------------------------------------------------------------


def page_link(address: str) -> str:
    """Links between notebooks become links between pages; others stay."""
    return re.sub(r"^(?!\w+:)(.+)\.ipynb(#.*)?$", r"\1.html\2", address)


def card(path: Path, notebook: NotebookNode) -> str:
    """A lesson in the page of contents."""
    title, idea, seconds = (html.escape(text) for text in heading(notebook))
    image = THUMBNAILS / f"{path.name[:2]}.png"
    shown = ""
    if image.exists():
        data = base64.b64encode(image.read_bytes()).decode()
        shown = f'<img src="data:image/png;base64,{data}" alt="">'
    page = path.with_suffix(".html").name
    solutions = f'<a href="solutions/{page}">solutions</a>'
    return (
        f'<section class="card">{shown}<div><h2><a href="{page}">{title}</a></h2><p>{idea}</p>'
        f"<small>{seconds} · {solutions}</small></div></section>"
    )


def index_page(cards: list[str]) -> str:
    """The page of contents."""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>wbkit: the notebooks</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}{_CARDS}</style></head>
<body><main><h1>wbkit: the notebooks</h1>
<p>Whole-body human pose estimation, 133 keypoints a person, from the label to what goes wrong. These pages
show the notebooks with their results and need no network; in two of their explorers a slider moves here, too.
To run the notebooks and to use all of every explorer: <code>make lab</code> in the checkout.</p>
<div class="cards">{"".join(cards)}</div>
</main></body></html>
"""


def write_site(out: Path) -> list[Path]:
    """A page for each notebook, and index.html; returns their paths."""
    pages, cards = [], []
    for path in find([]):
        notebook = nbformat.read(path, 4)
        page = out / path.relative_to(FOLDER).with_suffix(".html")
        home = "../index.html" if is_solution(path) else "index.html"
        back = nbformat.v4.new_markdown_cell(f"[All notebooks]({home})")
        notebook.cells.insert(0, back)
        title = heading(nbformat.from_dict({"cells": notebook.cells[1:]}))[0]
        head = f"<style>{flipbook.STYLE}</style>" if flipbook.animate(notebook) else ""
        write_page(
            page, notebook_to_html(notebook, title=title, links=page_link, folder=path.parent, head=head)
        )
        pages.append(page)
        if not is_solution(path):
            cards.append(card(path, nbformat.read(path, 4)))
    write_page(out / "index.html", index_page(cards))
    return [out / "index.html", *pages]


def main() -> None:
    """Write thumbnails or pages."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--thumbnails", action="store_true", help="write the thumbnails instead of the pages")
    parser.add_argument("--out", type=Path, default=ROOT / "outputs" / "site", help="folder of the pages")
    given = parser.parse_args()
    if given.thumbnails:
        write_thumbnails()
        write_readme_table()
        return
    pages = write_site(given.out)
    size = sum(page.stat().st_size for page in pages) / 1e6
    print(f"{len(pages)} pages, {size:.1f} MB: open {given.out / 'index.html'}")


if __name__ == "__main__":
    main()
