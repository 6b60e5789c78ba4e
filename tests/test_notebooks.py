"""The committed notebooks have no problems; the tools that say so find planted ones; nbval is strict."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from notebook_form import FOLDER, MAX_LEVELS, SETUP, WIDGET, WIDGET_TEXT, find, normalise, small_png, stamp
from notebooks import MAX_MB, SEED_PAPERS, execute, problems, run

ROOT = FOLDER.parent
NBVAL = ("--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(FOLDER / "sanitize.cfg"))


@pytest.mark.parametrize("path", find([]), ids=lambda p: p.relative_to(FOLDER).as_posix())
def test_committed_notebooks_have_no_problems(path):
    assert problems(path) == []


@pytest.mark.parametrize("path", find([]), ids=lambda p: p.relative_to(FOLDER).as_posix())
def test_the_shipped_model_is_built_as_its_file_says(path):
    """Its head has changed and may again: only `load_predictor` or `describe_checkpoint` know its sizes."""
    code = "\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code")
    assert "tiny.safetensors" not in code
    assert "shipped_model" not in code or "describe_checkpoint(shipped_model())" in code


def test_every_lesson_has_its_own_number():
    numbers = [path.name[:3] for path in FOLDER.glob("*.ipynb")]
    assert len(set(numbers)) == len(numbers)


# --- the checks find what is wrong -------------------------------------------------------------------


def lesson(said: str = "not yet. Try it.") -> nbformat.NotebookNode:
    """A notebook that has everything; its outputs written by hand."""
    head = "# 77 · A lesson\n\n*One idea.* <!-- badges -->\n\n**Goal** x\n**You need** y\n**Run time** z"
    cells = [new_markdown_cell(head), new_code_cell(SETUP)]
    cells += [new_code_cell("print(0.25)", outputs=[new_output("stream", text="0.25\n")])]
    for n in (1, 2, 3):
        text = f"{n}. Name: {said}\n"
        cells += [new_code_cell(f'check("{n}. Name", test{n});', outputs=[new_output("stream", text=text)])]
    cells += [new_markdown_cell("## Further reading\n\n" + "\n".join(SEED_PAPERS))]
    return new_notebook(cells=cells)


def write(notebook: nbformat.NotebookNode, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    stamp(notebook, path)
    normalise(notebook)
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def good(tmp_path) -> Path:
    write(lesson("solved"), tmp_path / "solutions" / "77_lesson.ipynb")
    return write(lesson(), tmp_path / "77_lesson.ipynb")


def test_a_good_lesson_has_no_problems(good):
    assert problems(good) == []
    assert problems(good.parent / "solutions" / good.name) == []


def error_output() -> nbformat.NotebookNode:
    return new_output("error", ename="ValueError", evalue="no", traceback=[])


FAULTS = {
    "put <!-- badges -->": lambda nb: nb.cells[0].update(source="# Title"),
    "cell 2 left an error": lambda nb: nb.cells[2].outputs.append(error_output()),
    "cell 2 left an error or a warning: Hm": lambda nb: nb.cells[2].outputs.append(
        new_output("stream", name="stderr", text="Hm")
    ),
    "a path of this machine": lambda nb: nb.cells[2].outputs[0].update(text="in /home/me/wbkit/data\n"),
    "an address in memory": lambda nb: nb.cells[2].outputs[0].update(text="<object at 0x7f12345678>\n"),
    "a progress bar": lambda nb: nb.cells[2].outputs[0].update(text="predict:  50%|####  | 5/10\n"),
    "more than 1.5": lambda nb: nb.cells[6].update(source=nb.cells[6].source + "x" * int(MAX_MB * 1e6)),
    "not in the form": lambda nb: nb.cells[2].update(execution_count=7),
    "has 2 exercises": lambda nb: nb.cells.pop(5),
    "says '1. Name: solved'": lambda nb: nb.cells[3].outputs[0].update(text="1. Name: solved\n"),
    "says ''": lambda nb: nb.cells[3].update(outputs=[]),
    "lacks '**Goal**'": lambda nb: nb.cells[0].update(source=nb.cells[0].source.replace("Goal", "")),
    "no 'Further reading'": lambda nb: nb.cells[6].update(source=" ".join(SEED_PAPERS)),
    "does not cite 'Whole": lambda nb: nb.cells[6].update(source=nb.cells[6].source.replace("Wild", "Woods")),
}


@pytest.mark.parametrize("message", FAULTS)
def test_planted_faults_are_found(good, message):
    notebook = nbformat.read(good, 4)
    FAULTS[message](notebook)
    nbformat.write(notebook, good)
    found = problems(good)
    assert any(message in problem for problem in found), found


def test_solutions_are_compared_with_their_lesson(good):
    path = good.parent / "solutions" / good.name
    notebook = nbformat.read(path, 4)
    notebook.cells[4].source += "  # easier"
    nbformat.write(notebook, path)
    assert problems(path) == ["its check cells differ from the lesson's"]
    path.unlink()
    assert problems(good) == ["has no solutions/77_lesson.ipynb"]


# --- one form ----------------------------------------------------------------------------------------


def png(pixels: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def decoded(encoded: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"), float)


def test_pictures_get_smaller_and_look_the_same():
    coarse = np.random.default_rng(1).integers(90, 150, (5, 6, 3), np.uint8)
    photo = cv2.resize(coarse, (300, 200), interpolation=cv2.INTER_CUBIC)
    small = small_png(png(photo))
    assert small_png(small) == small
    assert len(small) < 0.7 * len(png(photo))
    assert 0 < np.abs(decoded(small) - photo).max() <= MAX_LEVELS
    rng = np.random.default_rng(0)
    few = rng.integers(0, 256, (200, 3), np.uint8)[rng.integers(0, 200, (90, 90))]
    assert np.array_equal(decoded(small_png(png(few))), few)  # a drawing's few colours stay as they are
    assert len(small_png(png(few))) < 0.5 * len(png(few))
    noise = rng.integers(0, 256, (90, 90, 3), np.uint8)
    assert np.array_equal(decoded(small_png(png(noise))), noise)  # too many colours: nothing is lost


def test_the_form_hides_what_ran_it():
    notebook = lesson()
    output = new_output("execute_result", {WIDGET: {"model_id": "1f"}, "text/plain": "VBox(children=())"})
    notebook.cells[2].outputs = [output]
    notebook.cells[2].metadata = {"execution": {"iopub.execute_input": "2026"}, "tags": ["keep"]}
    notebook.metadata = {"language_info": {"version": "3.11.2"}, "widgets": {"state": {}}}
    normalise(notebook)
    once = nbformat.writes(notebook)
    assert "2026" not in once
    assert "3.11.2" not in once
    assert notebook.cells[2].metadata == {"tags": ["keep"]}
    assert notebook.cells[2].outputs[0].data == {"text/plain": WIDGET_TEXT}
    normalise(notebook)
    assert nbformat.writes(notebook) == once


def test_a_notebook_that_warns_or_fails_is_not_written(tmp_path, capsys):
    for name, source in {"warns": "import sys; sys.stderr.write('Hm')", "fails": "1 / 0"}.items():
        path = tmp_path / f"{name}.ipynb"
        notebook = new_notebook(cells=[new_markdown_cell("<!-- badges -->"), new_code_cell("# setup")])
        notebook.cells.append(new_code_cell(source))
        nbformat.write(notebook, path)
        before = path.read_bytes()
        assert run(path) is False
        assert path.read_bytes() == before
    said = capsys.readouterr().out
    assert "left an error or a warning: Hm" in said
    assert "ZeroDivisionError" in said


# --- nbval compares what is said, and not what is drawn ----------------------------------------------

CELLS = {
    "stdout": "print('error 0.250 px')",
    "text": "[0.25, 0.5]",
    "table": "class Table:\n    def _repr_html_(self): return '<table><td>0.25</td></table>'\n"
    "    def __repr__(self): return 'a table'\nTable()",
    "picture": "import base64\nfrom IPython.display import Image\nImage(base64.b64decode(PNG))",
    "quiet": "object();",  # as in JupyterLab, nothing is shown
    "widget": "import ipywidgets\nipywidgets.VBox([ipywidgets.IntSlider(3)])",
}
CHANGES = {  # cell -> what is changed in its committed output
    "stdout": ("0.250", "0.251"),
    "text": ("0.25", "0.26"),
    "table": ("<td>0.25", "<td>0.26"),
}


def replaced(output: nbformat.NotebookNode, old: str, new: str) -> nbformat.NotebookNode:
    return nbformat.from_dict(json.loads(json.dumps(output).replace(old, new)))


def test_a_changed_number_fails_nbval_and_a_changed_picture_does_not(tmp_path):
    sources = [CELLS["picture"].replace("PNG", repr(png(np.zeros((2, 2, 3), np.uint8)))), *CELLS.values()]
    sources.remove(CELLS["picture"])
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    execute(notebook, tmp_path)
    normalise(notebook)
    nbformat.write(notebook, tmp_path / "same.ipynb")
    names = ["picture", *(name for name in CELLS if name != "picture")]
    for name, change in CHANGES.items():
        changed = nbformat.from_dict(notebook)
        cell = changed.cells[names.index(name)]
        before = nbformat.from_dict(cell)
        cell.outputs = [replaced(output, *change) for output in cell.outputs]
        assert cell != before
        nbformat.write(changed, tmp_path / f"changed_{name}.ipynb")
    changed = nbformat.from_dict(notebook)
    changed.cells[0].outputs[0].data["image/png"] = png(np.full((2, 2, 3), 255, np.uint8))
    nbformat.write(changed, tmp_path / "redrawn.ipynb")
    shutil.copy(FOLDER / "conftest.py", tmp_path)
    done = nbval(tmp_path)
    failed = dict(re.findall(r"^FAILED \S*?(\w+)\.ipynb::Cell (\d)", done.stdout, re.M))
    assert failed == {f"changed_{name}": str(names.index(name)) for name in CHANGES}, done.stdout
    assert done.returncode == 1


def nbval(folder: Path) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-m",
        "pytest",
        *NBVAL,
        "-q",
        "-rf",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
    ]
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )


# --- make test runs both -----------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("failing", ["tests", "notebooks", "nothing"])
def test_make_test_fails_if_the_tests_or_the_notebooks_fail(tmp_path, failing):
    """With a python that only notes how it was called."""
    log, python, stamp_file = tmp_path / "log", tmp_path / "python", tmp_path / "installed"
    stamp_file.touch()
    os.utime(stamp_file, (time.time() + 60,) * 2)
    pattern = {"notebooks": "*--nbval*", "tests": "*pytest -n*", "nothing": "?"}[failing]
    python.write_text(f'#!/bin/sh\necho "$*" >> {log}\ncase "$*" in {pattern}) exit 1;; esac\n')
    python.chmod(0o755)
    command = ["make", "-C", str(ROOT), "test", f"BIN={tmp_path}", f"STAMP={stamp_file}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    calls = log.read_text().splitlines()
    assert len(calls) == 2, "both run, whatever the first says"
    assert [set(NBVAL[:2]) <= set(call.split()) for call in calls] == [False, True]
    assert (done.returncode == 0) is (failing == "nothing")
