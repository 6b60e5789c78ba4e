"""Run the notebooks in place and bring them into one form; or check that what is committed has that form.

python tools/notebooks.py run                 all of them, in fresh kernels; prints seconds and size of each
python tools/notebooks.py run 04 solutions/04 those whose path contains one of the names
python tools/notebooks.py check               without running: form, size, exercises and their solutions

Nobody edits outputs by hand. `run` stamps the links below each title and the setup cell, so that they
are the same everywhere, and writes nothing if a cell fails or its outputs would not repeat elsewhere.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from notebook_form import (
    FOLDER,
    ROOT,
    code_cells,
    find,
    is_solution,
    normalise,
    shrink_pictures,
    stamp,
)

MAX_MB = 1.5  # of one notebook
LEAST_EXERCISES = 3
HEADER = ("# ", "**Goal**", "**You need**", "**Run time**")  # what a lesson's first cell must hold
SEED_PAPERS = (
    "Deep High-Resolution Representation Learning for Human Pose Estimation",
    "Distribution-Aware Coordinate Representation for Human Pose Estimation",
    "Whole-Body Human Pose Estimation in the Wild",
)
_PATH = r"(?<![\w./])/(home|root|tmp|work|usr|opt|mnt|Users|content)/|\b[A-Z]:\\\w"
NOT_REPEATABLE = {  # in outputs
    "a path of this machine": re.compile(_PATH),
    "an address in memory": re.compile(r"\b0x[0-9a-f]{6,}"),
    "an address of this machine": re.compile(r"localhost|127\.0\.0\.1"),
    "a progress bar": re.compile(r"\d%\|"),
}


# --- what would be wrong -----------------------------------------------------------------------------


def problems(path: Path) -> list[str]:
    """What keeps a notebook from being committed, in words; solutions are compared with their lesson."""
    notebook = nbformat.read(path, 4)
    found = output_problems(notebook) + form_problems(notebook, path)
    found += exercise_problems(notebook, "solved" if is_solution(path) else "not yet")
    if not is_solution(path):
        missing = not (path.parent / "solutions" / path.name).exists()
        return found + text_problems(notebook) + [f"has no solutions/{path.name}"] * missing
    lesson = nbformat.read(path.parent.parent / path.name, 4)
    same = [c.source for c in check_cells(lesson)] == [c.source for c in check_cells(notebook)]
    return found if same else [*found, "its check cells differ from the lesson's"]


def output_problems(notebook: NotebookNode) -> list[str]:
    """Errors, warnings, and what another machine would print differently."""
    found = []
    for cell in code_cells(notebook):
        for output in cell.outputs:
            text, where = output_text(output), f"cell {cell.execution_count}"
            if output.output_type == "error" or output.get("name") == "stderr":
                found.append(f"{where} left an error or a warning: {text:.300}")
            reasons = [reason for reason, pattern in NOT_REPEATABLE.items() if pattern.search(text)]
            found += [f"{where} shows {reason}: {text:.300}" for reason in reasons]
    return found


def form_problems(notebook: NotebookNode, path: Path) -> list[str]:
    """Size, and whether `run` made it."""
    found = []
    if (size := path.stat().st_size / 1e6) > MAX_MB:
        found.append(f"has {size:.2f} MB, more than {MAX_MB}: draw fewer or smaller pictures")
    formed = nbformat.reads(nbformat.writes(notebook), 4)
    try:
        stamp(formed, path)
    except ValueError as error:
        return [*found, str(error)]
    normalise(formed)
    if nbformat.writes(formed) != nbformat.writes(notebook):
        found.append("is not in the form that `python tools/notebooks.py run` gives it")
    return found


def exercise_problems(notebook: NotebookNode, expected: str) -> list[str]:
    """Every check must say `expected`."""
    cells = check_cells(notebook)
    found = [] if len(cells) >= LEAST_EXERCISES else [f"has {len(cells)} exercises, not {LEAST_EXERCISES}"]
    for cell in cells:
        said = "".join(output_text(output) for output in cell.outputs)
        if f": {expected}" not in said:
            found.append(f"cell {cell.execution_count} says {said!r}, not {expected!r}")
    return found


def text_problems(notebook: NotebookNode) -> list[str]:
    """Header and literature of a lesson."""
    words = " ".join(" ".join(c.source for c in notebook.cells if c.cell_type == "markdown").split())
    found = [f"its first cell lacks {item!r}" for item in HEADER if item not in notebook.cells[0].source]
    if "Further reading" not in words:
        found.append("has no 'Further reading'")
    return found + [f"does not cite {paper!r}" for paper in SEED_PAPERS if paper.lower() not in words.lower()]


def check_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that check an exercise."""
    return [cell for cell in code_cells(notebook) if re.search(r"^check\(", cell.source, re.M)]


def output_text(output: NotebookNode) -> str:
    """All text of one output."""
    data = [str(v) for kind, v in output.get("data", {}).items() if not kind.startswith("image/")]
    return "\n".join([output.get("text", ""), output.get("evalue", ""), *data]).strip()


# --- the two commands --------------------------------------------------------------------------------


def run(path: Path) -> bool:
    """Execute one notebook in place; True if it was written."""
    notebook, started = nbformat.read(path, 4), time.perf_counter()
    try:
        stamp(notebook, path)
        execute(notebook, path.parent)
    except (ValueError, CellExecutionError) as error:
        print(f"{path.name}: not written\n{error}")
        return False
    seconds = time.perf_counter() - started
    normalise(notebook)
    shrink_pictures(notebook)
    if found := output_problems(notebook):
        print(f"{path.name}: not written\n  " + "\n  ".join(found))
        return False
    nbformat.write(notebook, path)
    name = f"solutions/{path.name}" if is_solution(path) else path.name
    print(f"{name}: {seconds:.0f} s, {path.stat().st_size / 1e6:.2f} MB", flush=True)
    return True


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells in a fresh kernel that starts in `folder`."""
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}  # it would hide the figures
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # its warning about TCP says nothing here
    )
    client.execute(env=environment)


def main() -> int:
    """Both commands; 1 if a notebook fails or is not fit to be committed."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("command", choices=("run", "check"))
    parser.add_argument("names", nargs="*", help="parts of file names; none: all notebooks")
    given = parser.parse_args()
    paths = find(given.names)
    if given.command == "run":
        paths = [path for path in paths if run(path)]
    wrong = {path: found for path in paths if (found := problems(path))}
    for path, found in wrong.items():
        print(f"{path.relative_to(FOLDER)}:\n  " + "\n  ".join(found))
    return 1 if wrong or len(paths) < len(find(given.names)) else 0


if __name__ == "__main__":
    sys.exit(main())
