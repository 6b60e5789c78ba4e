"""`failure_browser`: filter, rank and look at the failures of any model's results."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wbkit.columns import Annotations
from wbkit.failures import CAUSES, CLASSES, Analysis, analyse, keypoint_table
from wbkit.failures.gallery import LEVELS, RANKINGS
from wbkit.predict import Predictor
from wbkit.widgets import failure_scene, shell
from wbkit.widgets.failure_scene import ALL, FOUND, PAGE, BrowserState, FailureScene, pictures_in
from wbkit.widgets.heatmap_explorer import require_predictor
from wbkit.widgets.shell import Explorer

_LISTED = 6  # keypoints told in words


class FailureBrowser(Explorer):
    """The widget that `failure_browser` gives; `scene` ranks and draws, `state` says what is chosen.

    `ranked()` is the table behind the gallery.
    """

    def __init__(self, scene: FailureScene, state: BrowserState):
        super().__init__("failure_browser", state)
        self.scene = scene
        lists = failure_scene.choices(state)
        self.bind(
            level=shell.dropdown("look at", LEVELS, state.level, "whole persons, parts, or single keypoints"),
            by=shell.dropdown("worst by", list(RANKINGS), state.by, "score: the most confident errors first"),
            part=shell.dropdown("part", lists["part"], state.part),
            keypoint=shell.dropdown("keypoint", lists["keypoint"], state.keypoint),
            cause=shell.dropdown("cause", [ALL, FOUND, *CAUSES], state.cause),
            size=shell.dropdown("person size", list(failure_scene.SIZES), state.size),
            scores=shell.span("keypoint score", state.scores, 0.0, 1.0, 0.05),
            rank=shell.slider("rank, from 0", state.rank, 0, 1, 1, "d", "0 is the worst"),
        )
        turn = shell.rows(
            shell.button("Previous page", lambda: self.turn(-1), icon="arrow-left"),
            shell.button("Next page", lambda: self.turn(1), icon="arrow-right"),
        )
        self.children = (shell.rows(*self._controls.values(), turn), self.picture, self.problem, self.text)
        self.on_click(self.click)
        self.follow()
        self.refresh()

    def ranked(self) -> pd.DataFrame:
        """What passes the filters, worst first: the rows of `wbkit.failures.worst`."""
        return self.scene.ranked(self.state)

    def change(self, **values: Any) -> None:
        """As `Explorer.change`; new filters begin at the worst, a part without the keypoint drops it."""
        if values.keys() - {"rank"}:
            values = {"rank": 0, **values}
        if values.get("part", ALL) != ALL and "keypoint" not in values:
            values["keypoint"] = ALL
        super().change(**values)

    def follow(self) -> None:
        """Bring the controls, the lists and the slider's end too, in line with the state."""
        self._quiet = True
        try:
            keypoint, names = self._controls["keypoint"], failure_scene.choices(self.state)["keypoint"]
            if keypoint.options != tuple(names):
                keypoint.options = names
            self._controls["rank"].max = max(0, len(self.ranked()) - 1)
        finally:
            self._quiet = False
        super().follow()

    def turn(self, pages: int) -> None:
        """Go some pages on (or back), to the first failure there."""
        rank = (self.state.rank // PAGE + pages) * PAGE
        if 0 <= rank < len(self.ranked()):
            self.change(rank=rank)

    def click(self, x: float, y: float) -> None:
        """Choose the tile at a place of the picture, in its px."""
        rank = self.scene.clicked(self.state, x, y)
        if rank is not None:
            self.change(rank=rank)

    def draw(self) -> np.ndarray:
        """See `Explorer`."""
        return self.scene.draw(self.state)

    def summary(self) -> str:
        """See `Explorer`."""
        s = self.state
        chosen = [
            f"{n} {getattr(s, n)}" for n in ("part", "keypoint", "cause", "size") if getattr(s, n) != ALL
        ]
        if s.scores != (0.0, 1.0):
            chosen.append(f"keypoint score {s.scores[0]:.2f} to {s.scores[1]:.2f}")
        return f"{s.level}s, worst {s.by} first, {', '.join(chosen) or 'no filter'}, rank {s.rank}"

    def words(self) -> str:
        """See `Explorer`."""
        ranked, state = self.ranked(), self.state
        pages = -(-len(ranked) // PAGE)
        said = f"<b>{self.summary()}</b>: {len(ranked)} pass; page {state.rank // PAGE + 1} of {pages}. "
        if not len(ranked):
            return shell.spoken(f"<b>{self.summary()}</b>: nothing passes these filters.")
        said += "Rings are labels, dots predictions."
        row = ranked.iloc[state.rank]
        person = self.scene.person(row)[self.scene.points(row, state)]
        oks, score = _number(row["person_oks"]), _number(row["person_score"])
        about = (
            f"Chosen: person {row['person_id']} in image {row['image_id']}, OKS {oks}, score {score}, "
            f"{failure_scene.value_words(row, state)}."
        )
        if fault := self.scene.faults.get(int(row["image_id"])):
            about += f" <b>Its picture cannot be shown:</b> {escape(fault)}"
        causes = person["cause"].value_counts()
        counts = ", ".join(f"{count} {name}" for name, count in causes[causes > 0].items())
        main = CLASSES[str(row["cause"])]
        why = f"Keypoints: {counts}. <i>{main.name}</i>: {escape(main.definition)}"
        return shell.spoken(f"{said}<br>{about}<br>{why}{_worst_points(person)}")


def _worst_points(person: pd.DataFrame) -> str:
    """The chosen failure's worst keypoints as an HTML table."""
    listed = person.sort_values("similarity", na_position="first", kind="stable").head(_LISTED)
    header = ["keypoint", "cause", "error, px", "similarity", "score", "confused with"]
    lines = []
    for _, point in listed.iterrows():
        other = point["confused_keypoint"]
        numbers = [_number(point[n]) for n in ("error_px", "similarity", "score")]
        lines.append([point["keypoint"], point["cause"], *numbers, "" if pd.isna(other) else other])
    return shell.html_table(header, lines)


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "none"


def failure_browser(
    source: pd.DataFrame | Analysis | Annotations | str | Path | dict,
    results: Any = None,
    *,
    images: str | Path | Mapping | None = None,
    model: Predictor | None = None,
    **chosen: Any,
) -> FailureBrowser:
    """Look at failures: filter by part, keypoint, cause, size and score; click on one to see more.

    Args:
        source: a table of `wbkit.failures.keypoint_table`, an `Analysis`, or annotations (then with
            `results`).
        results: a results file of any model, its parsed content or columns.
        images: the folder of the pictures, or a mapping from image id to a file or to pixels; None: points
            are drawn without pictures.
        model: a Predictor whose heatmaps (of its first look) are shown for the chosen failure, if it is
            at hand: in the detection's box where the results have it, else in the annotation's, or around
            the labels where only a table is given. Results of two looks need not lie on their peaks.
        chosen: filters to begin with, fields of `BrowserState`, such as part="lefthand";
            cause="any, person found" leaves out people whom no detection found.

    Raises:
        InputError: a file or the table cannot be used, or there is no such folder.
    """
    if model is not None:
        require_predictor(model)
    names, boxes = {}, None
    if isinstance(source, pd.DataFrame):
        table = source
    else:
        analysis = analyse(source, results)
        table = keypoint_table(analysis)
        ids, files = analysis.annotations.image_ids.tolist(), analysis.annotations.file_names.tolist()
        names, boxes = dict(zip(ids, files, strict=True)), _boxes(analysis)
    scene = FailureScene(table, pictures_in(images, names), model, boxes)
    return FailureBrowser(scene, BrowserState(**chosen))


def _boxes(analysis: Analysis) -> dict[int, np.ndarray]:
    """Of each person, by its number: the box of its detection if it has one, else the label's."""
    pairs, given = analysis.pairs, analysis.results.boxes_xywh
    boxes = dict(enumerate(analysis.annotations.boxes_xywh))
    for person, detection in zip(pairs.persons[pairs.found], pairs.detections[pairs.found], strict=True):
        if np.isfinite(given[detection]).all():
            boxes[int(person)] = given[detection]
    return boxes
