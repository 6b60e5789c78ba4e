"""From a key on a slider to the new picture, in JupyterLab: python -m benchmarks.explorers.

Chromium opens a notebook with the explorers and presses arrow keys. The page itself takes two times from the
key going down: until the browser has the kernel's new picture (its "load", to which the limit applies), with
front end, messages and kernel in it; and until the frame with the decoded picture is drawn. It is the light
picture that follows a key at once; the sharp one comes when nothing moves. Two threads, as in all notebooks.
Needs Chromium and playwright, as the browser tests do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))
import lab  # noqa: E402

LIMIT_MS = 50.0
SLIDERS = {"heatmap_explorer": "noise", "dark_explorer": "centre x", "failure_browser": "rank, from 0"}
EXPLORERS = """\
import numpy as np
from wbkit.annotations import load_annotations, results_from_arrays
from wbkit.commands.models import load_predictor
from wbkit.files import data_folder
from wbkit.study.lesson import begin
from wbkit.widgets import *
begin()
data = data_folder() / "wholebody-mini"
truth = load_annotations(data / "annotations" / "coco_wholebody_val_v1.0.json")
points = truth.keypoints + np.random.default_rng(0).normal(0, 6, truth.keypoints.shape)
points[..., 2] = 0.5
results = results_from_arrays(points, None, truth.person_image_ids, np.ones(len(points)))
model = load_predictor(None, device="cpu")
display(heatmap_explorer(None, model, keypoint="left_wrist"))
display(dark_explorer())
display(failure_browser(truth, results, images=data / "val2017", level="part"))"""
WATCH = """picture => {
  let pressed = null, loaded = null; const times = []; window.latencies = times;
  // While the event still descends: the slider's own handler, further in, comes after.
  const start = event => { pressed = event.timeStamp; loaded = null; };
  document.addEventListener('keydown', start, {capture: true});
  picture.onload = async () => {
    if (pressed === null) return;
    const begun = pressed;
    loaded ??= performance.now() - begun;
    try { await picture.decode(); } catch { return; }  // the sharp one came already: it is drawn
    if (pressed !== begun) return;
    pressed = null;
    const arrived = loaded;
    requestAnimationFrame(() => setTimeout(() => {  // after the frame
      times.push([arrived, performance.now() - begun]); window.counted?.();
    }));
  };
}"""
# A promise, for Playwright's own waiting asks again in every frame, and so has the page draw all the time.
COUNTED = """number => new Promise((done, fail) => {
  setTimeout(() => fail(Error('no picture followed the key')), 30000);
  const look = () => latencies.length > number && done();
  window.counted = look; look();
})"""


def latencies(explorer: lab.Explorer, label: str, presses: int) -> np.ndarray:
    """Milliseconds from key to picture, there (column 0) and drawn (1), of the slider with this label.

    A row for each of `presses` keys, to the right and back in turn.
    """
    page = explorer.page
    explorer.picture.evaluate(WATCH)
    slider = explorer.element.locator(".widget-slider", has=page.get_by_text(label, exact=True))
    slider.locator(".noUi-handle").focus()
    for done in range(presses):
        page.keyboard.press("ArrowLeft" if done % 10 >= 5 else "ArrowRight")
        page.evaluate(COUNTED, done)
        explorer.notebook.settle()  # what the key set off has ended; the next one meets an idle kernel
    return np.array(page.evaluate("latencies"))


def measure(presses: int = 25) -> pd.DataFrame:
    """A row for each of `SLIDERS`: medians and 90th percentiles, ms. Three keys before warm up."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name) / "notebooks"
        folder.mkdir()
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        nbformat.write(new_notebook(cells=[new_code_cell(EXPLORERS)], metadata=kernel), folder / "all.ipynb")
        with lab.jupyter_lab(folder, Path(name) / "server") as address:
            browser = playwright.chromium.launch(
                executable_path=lab.chromium(), headless=True, args=lab.FLAGS
            )
            page = browser.new_page(viewport={"width": 1280, "height": 1400})
            notebook = lab.Notebook(page, address.format("all.ipynb"))
            notebook.run_all()
            rows = []
            for explorer in notebook.explorers():
                kind, label = explorer.kind, SLIDERS[explorer.kind]
                explorer.element.scroll_into_view_if_needed()
                times = latencies(explorer, label, presses + 3)[3:]
                rows.append({"explorer": kind, "slider": label, "keys": len(times)} | in_numbers(times))
            if problems := notebook.problems():
                raise SystemExit(f"the notebook failed: {problems}")
            browser.close()
    return pd.DataFrame(rows)


def in_numbers(times: np.ndarray) -> dict[str, float]:
    """Median and 90th percentile of both columns of `latencies`."""
    middle, high = np.median(times, axis=0), np.quantile(times, 0.9, axis=0, method="inverted_cdf")
    return {
        "median ms": middle[0],
        "90 % ms": high[0],
        "drawn, median ms": middle[1],
        "drawn, 90 % ms": high[1],
    }


def in_words(rows: list[dict]) -> str:
    """One sentence of them."""
    parts = [
        f"{r['explorer']} ({r['slider']}) {r['median ms']:.0f} / {r['90 % ms']:.0f} ms, drawn "
        f"{r['drawn, median ms']:.0f} / {r['drawn, 90 % ms']:.0f} ms"
        for r in rows
    ]
    verdicts = [
        "reached" if max(r[f"{column}median ms"] for r in rows) <= LIMIT_MS else "MISSED"
        for column in ("", "drawn, ")
    ]
    return (
        "From a key on a slider until the browser has the new, light picture (its load), and until the frame "
        f"with it is drawn, in JupyterLab, median / 90th percentile of {rows[0]['keys']} keys: "
        f"{'; '.join(parts)}. "
        f"Limit {LIMIT_MS:.0f} ms for the slowest median until it is there: {verdicts[0]}; "
        f"until it is drawn: {verdicts[1]}"
    )


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m benchmarks.explorers", description=__doc__, formatter_class=raw
    )
    parser.add_argument("--keys", type=int, default=25, metavar="N", help="a slider (default: %(default)s)")
    options = parser.parse_args()
    if problem := lab.why_not():
        raise SystemExit(problem)
    if options.keys < 1:
        parser.error("--keys must be at least 1")
    table = measure(options.keys)
    print(table.to_string(index=False, float_format="{:.1f}".format))
    print(in_words(table.to_dict("records")))


if __name__ == "__main__":
    main()
