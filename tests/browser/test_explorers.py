"""Every explorer in JupyterLab, moved by mouse and keyboard; and the notebooks that show them, run there."""

import lab
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import flipbook
from benchmarks.explorers import EXPLORERS, latencies
from wbkit.report import notebook_to_html, write_page

pytestmark = pytest.mark.skipif(lab.why_not() is not None, reason=f"browser tests: {lab.why_not()}")

LESSONS = 10
BROWSED = ("00_start_here", "03_heatmap_encoding", "04_dark", "09_explorer")
"""Notebooks that are run in the browser; once all `LESSONS` are written, none of these may be missing."""
ALL_EXPLORERS = EXPLORERS + "\ndisplay(box_picker(None, model))"
BROKEN_CALLBACK = """\
import ipywidgets as widgets
slider = widgets.IntSlider()
slider.observe(lambda change: 1 / 0, "value")
slider"""


def write(folder, name: str, *cells: str) -> str:
    """A notebook beside the lessons."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # else JupyterLab asks for one
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=kernel)
    nbformat.write(notebook, folder / name)
    return name


# --- planted faults are found -------------------------------------------------------------------------


def test_a_broken_callback_is_found(folder, open_notebook):
    notebook = open_notebook(write(folder, "callback.ipynb", BROKEN_CALLBACK))
    notebook.run_all()
    assert notebook.problems() == []
    notebook.page.locator(".noUi-handle").focus()
    notebook.page.keyboard.press("ArrowRight")
    notebook.settle()
    assert any("ZeroDivisionError" in problem for problem in notebook.problems())


def test_a_broken_cell_and_a_widget_that_cannot_be_shown_are_found(folder, open_notebook):
    notebook = open_notebook(write(folder, "cell.ipynb", "1 / 0"))
    notebook.run_all()
    assert any("ZeroDivisionError" in problem for problem in notebook.problems())
    view = "application/vnd.jupyter.widget-view+json"
    lost = f"from IPython.display import display\ndisplay({{'{view}': {{'model_id': 'gone'}}}}, raw=True)"
    notebook = open_notebook(write(folder, "lost.ipynb", lost))
    notebook.run_all()
    assert notebook.problems()


def test_a_picture_that_stays_is_noticed(folder, open_notebook):
    stuck = "from wbkit.widgets import dark_explorer\ne = dark_explorer()\ne.refresh = lambda: None\ne"
    notebook = open_notebook(write(folder, "stuck.ipynb", stuck))
    notebook.run_all()
    (explorer,) = notebook.explorers()
    before = explorer.source()
    explorer.press("ArrowRight")
    notebook.settle()
    assert explorer.source() == before
    assert notebook.problems() == []


def test_a_slow_picture_shows_in_the_time_from_key_to_picture(folder, open_notebook):
    slowed = """
import time
from wbkit.widgets import dark_explorer
e = dark_explorer()
drawn = e.draw
e.draw = lambda: (time.sleep(1), drawn())[1]
e"""
    notebook = open_notebook(write(folder, "slow.ipynb", slowed))
    notebook.run_all()
    (explorer,) = notebook.explorers()
    there, drawn = latencies(explorer, "noise", presses=2).T
    assert (there > 1000).all()
    assert (drawn > there).all()


# --- pages without a kernel ---------------------------------------------------------------------------


def test_a_slider_moves_in_a_page_without_a_kernel(browser, tmp_path):
    notebook = nbformat.read(lab.ROOT / "notebooks" / "04_dark.ipynb", 4)
    assert flipbook.animate(notebook) == 1
    write_page(tmp_path / "page.html", notebook_to_html(notebook))
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    book = page.locator(".flipbook")
    image, words = book.locator("img"), book.locator(".words")
    before = image.get_attribute("src")
    assert "+0.30" in words.inner_text()
    book.locator("input").focus()
    page.keyboard.press("ArrowRight")
    assert "+0.35" in words.inner_text()
    assert "+0.35" in image.get_attribute("alt")
    assert (
        book.locator("output").inner_text() == book.locator("input").get_attribute("aria-valuetext") == "0.35"
    )
    assert image.get_attribute("src") != before
    page.keyboard.press("ArrowLeft")
    assert image.get_attribute("src") == before
    assert problems == []
    page.close()


# --- the explorers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explorers(folder, browser, address):
    """All four, in one notebook."""
    page = browser.new_context(viewport={"width": 1280, "height": 1400}).new_page()
    notebook = lab.Notebook(page, address.format(write(folder, "explorers.ipynb", ALL_EXPLORERS)))
    notebook.run_all()
    assert notebook.problems() == []
    found = notebook.explorers()
    assert len(found) == 4
    yield dict(zip(("heatmap", "dark", "failures", "picker"), found, strict=True))
    assert notebook.problems() == []
    page.context.close()


def test_heatmap_explorer(explorers):
    explorer = explorers["heatmap"]
    assert explorer.says("left_wrist")
    assert explorer.changes(lambda: explorer.choose("keypoint", "right_ankle"))
    assert explorer.says("right_ankle (body)")
    assert explorer.changes(lambda: explorer.press("ArrowRight", times=4))
    assert explorer.says("noise 0.04")
    assert explorer.changes(lambda: explorer.click(150, 130))  # anywhere on the person: the nearest point
    assert "right_ankle (body)" not in explorer.words()
    assert explorer.notebook.problems() == []


def test_dark_explorer(explorers):
    explorer = explorers["dark"]
    assert explorer.changes(lambda: explorer.press("ArrowRight", slider=0, times=5))
    assert explorer.says("(+0.35, -0.20)")
    explorer.notebook.settle()
    assert explorer.source().startswith("data:image/png")  # the sharp one; a JPEG while the slider moved
    assert explorer.changes(lambda: explorer.drag((180, 200), (220, 242)))
    assert explorer.says("(+1.01, +1.01)")  # 40 picture px a heatmap px, from the middle at 179.5, 201.5
    assert explorer.changes(lambda: explorer.choose("encoding", "biased: at the nearest pixel"))
    assert explorer.says("biased encoding")
    assert explorer.notebook.problems() == []


def test_failure_browser(explorers):
    explorer = explorers["failures"]
    assert explorer.changes(lambda: explorer.choose("part", "lefthand"))
    assert explorer.says("part lefthand, rank 0")
    assert explorer.changes(lambda: explorer.click(300, 80))  # the second tile
    assert explorer.says("rank 1")
    assert explorer.changes(lambda: explorer.press_button("Next page"))
    assert explorer.says("rank 8")
    assert explorer.changes(lambda: explorer.press("ArrowRight", slider=2))
    assert explorer.says("rank 9")
    assert explorer.notebook.problems() == []


def test_box_picker(explorers, tmp_path):
    explorer = explorers["picker"]
    assert explorer.changes(lambda: explorer.drag((60, 120), (330, 500)))
    assert "wholebody" not in explorer.words()
    assert explorer.says("lefthand")
    link = explorer.element.locator("a[download]")
    with explorer.page.expect_download() as waiting:
        link.click()
    assert len(waiting.value.path().read_text().splitlines()) == 134
    photo = lab.ROOT / "data" / "wholebody-mini" / "val2017" / "000000000003.jpg"
    assert explorer.changes(lambda: explorer.upload("Your photo", photo))
    assert explorer.says(photo.name)
    assert explorer.notebook.problems() == []


# --- the lessons --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BROWSED)
def test_a_lesson_runs_in_the_browser(name, folder, open_notebook):
    written = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not (folder / f"{name}.ipynb").exists() and len(written) < LESSONS:
        pytest.skip(f"{name} is not written yet ({len(written)} of {LESSONS} lessons are)")
    notebook = open_notebook(f"{name}.ipynb")
    notebook.run_all()
    assert notebook.problems() == []
    for explorer in notebook.explorers():
        explorer.element.scroll_into_view_if_needed()
        if explorer.kind == "box_picker":  # its first slider hides points of low scores: there may be none
            assert explorer.changes(lambda e=explorer: e.press_button("Whole picture"))
        else:
            slider = 2 if explorer.kind == "failure_browser" else 0  # the rank; a range has two handles
            assert explorer.changes(lambda e=explorer, n=slider: e.press("ArrowRight", n, times=2))
    assert notebook.problems() == []


# --- the app ------------------------------------------------------------------------------------------


def test_the_app_shows_all_explorers(browser, tmp_path):
    with lab.voila(lab.ROOT / "app" / "explorers.ipynb", tmp_path) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 1400})
        page = context.new_page()
        page.set_default_timeout(lab.PATIENCE)
        failed = []
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto(address)
        page.locator(".wbkit-explorer img.widget-image").first.wait_for()
        tabs = page.get_by_role("tab")
        assert tabs.count() == 4
        tabs.nth(1).click()
        picture = page.locator(".wbkit-explorer img.widget-image:visible").first
        before = picture.get_attribute("src")
        page.locator(".noUi-handle:visible").first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("([e, old]) => e.src !== old", arg=[picture.element_handle(), before])
        assert failed == []
        context.close()
