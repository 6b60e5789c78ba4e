"""What every explorer is made of: controls, a clickable picture, words, and a state that ties them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
from ipyevents import Event
from IPython import get_ipython

from wbkit.errors import InputError
from wbkit.widgets.canvas import data_url, encode
from wbkit.widgets.decoders import DECODERS, TRUTH_COLOR, TRUTH_SIGN, hex_color

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
REST_AFTER_S = 0.08  # from the last movement to the sharp picture and the words
_CONTROL_LAYOUT = {"width": "330px"}
_STYLE = {"description_width": "110px"}


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Explorer(widgets.VBox):
    """A picture, controls, and the same in words.

    Subclasses give `draw() -> (H, W, 3)`, `words() -> html` and `summary() -> str`; `bind` ties controls to
    fields of `state`, a frozen dataclass; `change` sets fields from code (a click, a test) and moves the
    controls along. Input that cannot be used is said below the picture; other exceptions go to Jupyter.

    Printed as text an explorer is one stable line, and where widgets do not run (GitHub, HTML) its picture.
    """

    def __init__(self, name: str, state: Any, picture_kind: str = "jpeg"):
        self.title, self.state, self.picture_kind = name, state, picture_kind
        self.shown: np.ndarray | None = None
        self._controls: dict[str, widgets.Widget] = {}
        self._quiet = self._moving = False
        self._pending: asyncio.TimerHandle | None = None
        # Fed with data addresses: the browser has those loaded sooner than blobs.
        self.picture = widgets.Image(format="url", layout={"max_width": "100%", "align_self": "flex-start"})
        self.text = widgets.HTML()
        self.problem = widgets.HTML()
        super().__init__()
        self.add_class("wbkit-explorer")
        self.add_class(f"wbkit-{name}")

    # --- to be given by subclasses ---

    def draw(self) -> np.ndarray:
        """The picture of the present state, (H, W, 3) uint8."""
        raise NotImplementedError

    def words(self) -> str:
        """The present state and what the picture shows, as HTML."""
        raise NotImplementedError

    def summary(self) -> str:
        """The present state in one line that is the same on every machine."""
        raise NotImplementedError

    # --- state ---

    def bind(self, **controls: widgets.Widget) -> None:
        """Each control's value becomes the field of its name, and the picture follows."""
        self._controls.update(controls)
        for name, control in controls.items():
            control.observe(lambda change, name=name: self._moved(name, change["new"]), "value")

    def _moved(self, name: str, value: Any) -> None:
        if not self._quiet:
            with self._movement():
                self.change(**{name: value})

    @contextmanager
    def _movement(self) -> Iterator[None]:
        """More pictures are about to come: each may be a rough one."""
        self._moving = True
        try:
            yield
        finally:
            self._moving = False

    def change(self, **values: Any) -> None:
        """Set fields of the state, move their controls, draw once."""
        self.state = replace(self.state, **values)
        self.follow()
        self.refresh()

    def follow(self) -> None:
        """Bring the controls in line with the state."""
        self._quiet = True
        try:
            for name, control in self._controls.items():
                if control.value != getattr(self.state, name):
                    control.value = getattr(self.state, name)
        finally:
            self._quiet = False

    def refresh(self) -> None:
        """Draw the picture and write the words of the present state.

        While a control moves in a kernel, the picture is a light JPEG; the sharp one and the words follow
        when nothing has moved for `REST_AFTER_S`: the browser draws undisturbed.
        What cannot be shown is said instead of the words; a picture that cannot be drawn stays the last one.
        """
        try:
            self.shown = self.draw()
        except InputError as error:
            self._refuse(error)
            return
        loop = _running_loop() if self._moving else None
        if loop is None:
            self._finish()
            return
        self.picture.value = data_url(self.shown, "rough")
        if self._pending is not None:
            self._pending.cancel()
        self._pending = loop.call_later(REST_AFTER_S, self._finish_later)

    def _finish(self) -> None:
        """The sharp picture and the words, now."""
        self._sharpen()
        try:
            self.text.value, self.problem.value = self.words(), ""
        except InputError as error:
            self._refuse(error)

    def _finish_later(self) -> None:
        """`_finish` for the event loop, which would only log an error: Jupyter shows it."""
        try:
            self._finish()
        except Exception:
            if (jupyter := get_ipython()) is None:
                raise
            jupyter.showtraceback()

    def _refuse(self, error: InputError) -> None:
        if self._pending is not None:
            self._sharpen()
        self.text.value, self.problem.value = "", f"<b>This cannot be shown:</b> {escape(str(error))}"

    def _sharpen(self) -> None:
        """The last picture as it should be; what was still to come need not."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        # No tooltip: ipywidgets 8.1 cannot show an Image that has one (it looks for a description).
        self.picture.value = data_url(self.shown, self.picture_kind)

    def on_click(self, handler: Callable[[float, float], None]) -> None:
        """Call `handler(x, y)` with the picture's px when it is clicked."""
        events = Event(source=self.picture, watched_events=["click"], prevent_default_action=True)
        events.on_dom_event(lambda event: handler(event["dataX"], event["dataY"]))
        self.events = events  # kept, or it would be collected

    def on_drag(self, handler: Callable[[str, float, float], None]) -> None:
        """Call `handler(phase, x, y)`, phase "down", "move" or "up", while the left button is held."""
        watched = ["mousedown", "mousemove", "mouseup", "dragstart"]
        # The keyboard is not watched: ipyevents would swallow every key, Tab too, under the mouse.
        events = Event(source=self.picture, watched_events=watched, prevent_default_action=True, wait=25)
        held = False

        def moved(event: dict) -> None:
            nonlocal held
            phase = event["type"].removeprefix("mouse")
            if phase == "down":
                held = True
            elif not held or phase == "dragstart":
                return
            elif phase == "up" or not event["buttons"] & 1:
                held, phase = False, "up"
            with self._movement() if phase == "move" else nullcontext():
                handler(phase, event["dataX"], event["dataY"])

        events.on_dom_event(moved)
        self.events = events

    # --- as text, and where widgets do not run ---

    def __repr__(self) -> str:
        return f"{self.title}: {self.summary()}"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": repr(self)}
        if self.shown is not None:
            bundle["image/jpeg"] = encode(self.shown, "jpeg")
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return bundle | {WIDGET_MIME: view}


# --- controls, all of one look ------------------------------------------------------------------------


def slider(label: str, value: float, low: float, high: float, step: float, form: str = ".2f", tip: str = ""):
    """A slider with a number beside it; arrow keys move it by `step`."""
    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    return kind(value=value, min=low, max=high, step=step, description=label, readout_format=form,
                tooltip=tip, layout=_CONTROL_LAYOUT, style=_STYLE)  # fmt: skip


def span(label: str, value: tuple[float, float], low: float, high: float, step: float):
    """A slider with two ends, from ... to."""
    return widgets.FloatRangeSlider(
        value=value, min=low, max=high, step=step, description=label, layout=_CONTROL_LAYOUT, style=_STYLE
    )


def dropdown(label: str, options, value: Any, tip: str = "") -> widgets.Dropdown:
    """A list to choose from."""
    return widgets.Dropdown(
        options=options, value=value, description=label, tooltip=tip, layout=_CONTROL_LAYOUT, style=_STYLE
    )


def checkbox(label: str, value: bool, tip: str = "") -> widgets.Checkbox:
    """A box to tick."""
    return widgets.Checkbox(value=value, description=label, tooltip=tip, indent=False)


def button(label: str, handler: Callable[[], None], tip: str = "", icon: str = "") -> widgets.Button:
    """A button that calls `handler()`."""
    made = widgets.Button(description=label, tooltip=tip, icon=icon)
    made.on_click(lambda _: handler())
    return made


def rows(*controls: widgets.Widget) -> widgets.Box:
    """Controls side by side, wrapped where the window is narrow."""
    return widgets.Box(controls, layout={"flex_flow": "row wrap", "align_items": "center"})


# --- words --------------------------------------------------------------------------------------------


def html_table(header: list[str], lines: list[list[str]]) -> str:
    """A small HTML table; cells are HTML, numbers go right."""
    head = "".join(f'<th style="padding:1px 12px 1px 0;text-align:left">{cell}</th>' for cell in header)
    cell = '<td style="padding:1px 12px 1px 0;white-space:nowrap;font-variant-numeric:tabular-nums">{}</td>'
    body = "".join("<tr>" + "".join(cell.format(value) for value in line) + "</tr>" for line in lines)
    return f'<table style="line-height:1.35"><tr>{head}</tr>{body}</table>'


def sign(name: str) -> str:
    """A decoder's marker and name in its colour; "truth" has one too."""
    mark, color = (
        (TRUTH_SIGN, TRUTH_COLOR) if name == "truth" else (DECODERS[name].sign, DECODERS[name].color)
    )
    return f'<b style="color:{hex_color(color)};background:#fff;padding:0 3px">{mark}</b> {name}'


def spoken(html: str) -> str:
    """Words that a screen reader says when they change."""
    return f'<div role="status" aria-live="polite" style="line-height:1.4">{html}</div>'
