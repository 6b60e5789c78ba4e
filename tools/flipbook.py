"""Explorers for pages without a kernel: one slider over pictures and words that were made beforehand."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from nbformat import NotebookNode

from wbkit.commands.models import load_predictor
from wbkit.widgets import dark_explorer, heatmap_explorer, largest_person
from wbkit.widgets.canvas import data_url
from wbkit.widgets.shell import Explorer

STYLE = """
.flipbook { margin: 1rem 0; } .flipbook img { display: block; max-width: 100%; margin: .5rem 0; }
.flipbook input { width: 20rem; max-width: 60%; vertical-align: middle; margin: 0 .6rem; }
.flipbook figcaption { color: var(--soft); font-size: .9rem; }
"""
_SCRIPT = """(() => {
  const book = document.currentScript.parentElement;
  const [slider, image, words, value] = ["input", "img", ".words", "output"].map(s => book.querySelector(s));
  const frames = JSON.parse(book.querySelector("script").textContent);
  slider.oninput = () => {
    const frame = frames[slider.value];
    [image.src, image.alt, value.value, words.innerHTML] = frame;
    slider.setAttribute("aria-valuetext", frame[2]);
  };
})()"""


@dataclass(frozen=True)
class Moving:
    """What moves of an explorer: the field of its state, the control's words, the values."""

    make: Callable[[], Explorer]
    field: str
    label: str
    values: tuple[float, ...]


MOVING = (  # as notebooks 03, 04 and 09 begin with them
    Moving(lambda: dark_explorer(noise=0.05), "dx", "centre x", tuple(i / 20 for i in range(-10, 11))),
    Moving(
        lambda: heatmap_explorer(largest_person(), load_predictor(None, device="cpu")),
        "noise",
        "noise",
        tuple(0.03 * i for i in range(11)),
    ),
)


def flipbook(explorer: Explorer, field: str, label: str, values: Sequence[float]) -> str:
    """HTML with a slider over `values` of one field of an explorer's state, for pages without a kernel.

    It begins at the explorer's own value, loads nothing, and leaves the explorer as it was.
    """
    begin = getattr(explorer.state, field)
    values = sorted({*values, begin})
    frames = []
    for value in values:
        explorer.change(**{field: value})
        picture = data_url(explorer.shown, explorer.picture_kind).decode()
        frames.append((picture, repr(explorer), f"{value:.2f}", explorer.words()))
    explorer.change(**{field: begin})
    now = values.index(begin)
    picture, alt, shown, words = frames[now]
    stored = json.dumps(frames).replace("</", "<\\/")
    return (
        f'<figure class="flipbook"><label>{label} <input type="range" min="0" max="{len(frames) - 1}" '
        f'value="{now}" aria-valuetext="{shown}"> <output>{shown}</output></label>'
        f'<img src="{picture}" alt="{html.escape(alt)}"><div class="words">{words}</div>'
        "<figcaption>Here this slider moves; where the notebook runs, all controls do.</figcaption>"
        f'<script type="application/json">{stored}</script><script>{_SCRIPT}</script></figure>'
    )


@cache
def _prepared(moving: Moving) -> tuple[str, np.ndarray, str]:
    """Text and picture of an explorer as it begins, and its flipbook; made once."""
    explorer = moving.make()
    text, picture = repr(explorer), explorer.shown
    return text, picture, flipbook(explorer, moving.field, moving.label, moving.values)


def animate(notebook: NotebookNode) -> int:
    """Put flipbooks in the place of the pictures that show the beginning of one of `MOVING`; how many."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    done = 0
    for data in (output.data for output in outputs if "image/jpeg" in output.get("data", {})):
        for text, picture, book in map(_prepared, MOVING):
            if data.get("text/plain") == text and _same(data["image/jpeg"], picture):
                data["text/html"] = book
                done += 1
    return done


def _same(jpeg_base64: str, picture_rgb: np.ndarray) -> bool:
    """Whether a notebook's picture is this one, up to what JPEG and another processor's rounding change."""
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(jpeg_base64), np.uint8), cv2.IMREAD_COLOR)
    if shown.shape != picture_rgb.shape:
        return False
    return np.abs(shown[..., ::-1].astype(int) - picture_rgb).mean() < 3
