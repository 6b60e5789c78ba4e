"""The one form that all notebooks have: links, setup cell, metadata, cell ids, small pictures."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
from nbformat import NotebookNode
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
REPOSITORY = "https://github.com/OWNER/wbkit"  # to be changed here when the project has a public address

MAX_LEVELS, MAX_RMS = 32, 4.0  # of 255: how far the colours of a picture may move to make it smaller
LINKS_MARK = "<!-- badges -->"
SETUP_MARK = "# setup"
SETUP = f"""\
{SETUP_MARK}: on Colab this fetches wbkit first
try:
    from wbkit.study.lesson import begin, check
except ImportError:
    !git clone --quiet --depth 1 {REPOSITORY}
    %pip install --quiet --editable "wbkit[notebooks]"
    import sys
    sys.path.insert(0, "wbkit")  # a running kernel does not see what was just installed
    from wbkit.study.lesson import begin, check
rng = begin()"""
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_TEXT = "A widget: run this cell to use it."  # notebooks/sanitize.cfg says the same


def find(names: list[str], folder: Path = FOLDER) -> list[Path]:
    """Lessons and solutions in order, or those whose path below `folder` contains one of `names`."""
    paths = sorted(folder.glob("*.ipynb")) + sorted(folder.glob("solutions/*.ipynb"))
    chosen = [p for p in paths if not names or any(n in p.relative_to(folder).as_posix() for n in names)]
    if names and not chosen:
        raise SystemExit(f"no notebook in {folder} matches {names}")
    return chosen


def is_solution(path: Path) -> bool:
    """Whether a notebook is the solutions of a lesson."""
    return path.parent.name == "solutions"


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def stamp(notebook: NotebookNode, path: Path) -> None:
    """Write the line of links and the setup cell.

    Raises:
        ValueError: there is no place for them.
    """
    first, second = notebook.cells[:2]
    if LINKS_MARK not in first.source or not second.source.startswith(SETUP_MARK):
        raise ValueError(f"put {LINKS_MARK} into the first cell, and begin the second with {SETUP_MARK}")
    lines = first.source.split("\n")
    place = next(i for i, line in enumerate(lines) if LINKS_MARK in line)
    lines[place] = f"{links(path)} {LINKS_MARK}"
    first.source, second.source = "\n".join(lines), SETUP


def links(path: Path) -> str:
    """Text, not pictures of buttons: it reads well, and needs no network."""
    place, other = f"notebooks/{path.name}", f"[Solutions](solutions/{path.name})"
    if is_solution(path):
        place, other = f"notebooks/solutions/{path.name}", f"[The lesson](../{path.name})"
    name = REPOSITORY.removeprefix("https://github.com/")
    return (
        f"[Open in Colab](https://colab.research.google.com/github/{name}/blob/main/{place}) · "
        f"[Open in Binder](https://mybinder.org/v2/gh/{name}/main?labpath={place}) · {other}"
    )


def normalise(notebook: NotebookNode) -> None:
    """Same metadata, cell ids and counts whatever ran it.

    The state of widgets is not kept: those that bring a picture and words of their own (as wbkit's explorers
    do) are left with these, others with a standard sentence.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index:02d}"
        cell.metadata = nbformat.from_dict({"tags": tags} if (tags := cell.metadata.get("tags")) else {})
    for count, cell in enumerate(code_cells(notebook), 1):
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
            if "metadata" in output:
                output.metadata = NotebookNode()
            if output.get("data", {}).pop(WIDGET, None) and "image/jpeg" not in output.data:
                output.data = NotebookNode({"text/plain": WIDGET_TEXT})


def shrink_pictures(notebook: NotebookNode) -> None:
    """Every picture among the outputs through `small_png`."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = small_png(output.data["image/png"])


def small_png(encoded: str) -> str:
    """Base64 PNG -> the same with a palette of 256 colours, where the eye cannot tell."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    if picture.mode == "P":
        return encoded
    picture = picture.convert("RGB")
    # Of Pillow's methods this one keeps the thin lines of drawings over photographs; the means help the rest.
    palette = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2)
    moved = np.abs(np.asarray(picture, float) - np.asarray(palette.convert("RGB"), float))
    faithful = moved.max() <= MAX_LEVELS and np.sqrt(np.square(moved).mean()) <= MAX_RMS
    contents = []
    for version in [picture, palette] if faithful else [picture]:
        content = io.BytesIO()
        version.save(content, "PNG", optimize=True)
        contents.append(content.getvalue())
    return base64.b64encode(min(contents, key=len)).decode() + "\n"  # smooth pictures are best as they are
