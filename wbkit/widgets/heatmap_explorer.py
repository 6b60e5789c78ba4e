"""`heatmap_explorer`: one person's 133 heatmaps, and how each decoder reads them."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np

from wbkit.decoders import gaussian_kernel
from wbkit.errors import InputError
from wbkit.keypoints import KEYPOINTS, PART_OF_KEYPOINT, PARTS
from wbkit.predict import Predictor
from wbkit.widgets import shell
from wbkit.widgets.heatmap_scene import SOURCES, HeatmapScene, HeatmapState
from wbkit.widgets.people import Person, as_person
from wbkit.widgets.shell import Explorer

_PARTS = [part for part in PARTS if part != "wholebody"]


class HeatmapExplorer(Explorer):
    """The widget that `heatmap_explorer` gives; `scene` computes and draws, `state` says what is chosen."""

    def __init__(self, scene: HeatmapScene, state: HeatmapState):
        super().__init__("heatmap_explorer", state)
        self.scene = scene
        names = [(name, k) for k, name in enumerate(KEYPOINTS)]
        self.part = shell.dropdown("part", _PARTS, PART_OF_KEYPOINT[state.keypoint])
        self.keypoint = shell.dropdown("keypoint", names, state.keypoint)
        kernels = [(f"{k} px (sigma {_blur_sigma(k):.2f})", k) for k in range(1, 22, 2)]
        sizes = [(f"{h}x{w}", (w, h)) for w, h in scene.sizes()]
        controls = {
            "size": shell.dropdown(
                "input size", sizes, state.size, "height x width; the crop is cut and the network run again"
            ),
            "kernel": shell.dropdown(
                "blur kernel", kernels, state.kernel, "of DARK's distribution modulation"
            ),
            "noise": shell.slider("noise", state.noise, 0.0, 0.3, 0.01, tip="share of the map's maximum"),
            "whole_part": shell.checkbox(
                "whole part", state.whole_part, "predicted maps of all keypoints of the part"
            ),
        }
        self.bind(keypoint=self.keypoint, **controls)
        self.part.observe(self._part_chosen, "value")
        lines = [shell.rows(self.part, self.keypoint), shell.rows(*controls.values())]
        if scene.person.labels is not None:
            source = shell.dropdown(
                "map", SOURCES, state.source, "the network's, or the labels' ideal target"
            )
            sigma = shell.slider("target sigma", state.sigma, 0.5, 4.0, 0.1, ".1f", "heatmap px")
            self.bind(source=source, sigma=sigma)
            lines.append(shell.rows(source, sigma))
        self.children = (*lines, self.picture, self.problem, self.text)
        self.on_click(self.click)
        self.follow()
        self.refresh()

    def _part_chosen(self, change: dict) -> None:
        if not self._quiet:
            self.change(keypoint=PARTS[change["new"]].start)

    def follow(self) -> None:
        """Bring the controls, the part's list too, in line with the state."""
        super().follow()
        self._quiet = True
        self.part.value = PART_OF_KEYPOINT[self.state.keypoint]
        self._quiet = False

    def click(self, x: float, y: float) -> None:
        """Choose the keypoint drawn nearest to a place of the picture, in its px."""
        nearest = self.scene.nearest(self.state, x, y)
        if nearest is not None:
            self.change(keypoint=nearest)

    def draw(self) -> np.ndarray:
        """See `Explorer`."""
        return self.scene.draw(self.state)

    def summary(self) -> str:
        """See `Explorer`."""
        s = self.state
        whole = s.whole_part and s.source == "predicted"
        part = PART_OF_KEYPOINT[s.keypoint] + (", whole part" if whole else "")
        shown = f"{KEYPOINTS[s.keypoint]} ({part})"
        source = f"target of sigma {s.sigma:.1f}" if s.source == "target" else "predicted map"
        noise = f"noise {s.noise:.2f}" if s.noise else "no noise"
        return f"{shown}, {source}, input {s.size[1]}x{s.size[0]}, blur kernel {s.kernel}, {noise}"

    def words(self) -> str:
        """See `Explorer`."""
        state, scene = self.state, self.scene
        heatmap, truth = scene.heatmap(state), scene.truth(state)
        if heatmap.max() <= 0:
            return shell.spoken(
                f"{self.summary()}. The map has no positive value: there is nothing to decode."
            )
        scale = scene.maps(state.size).codec.scale
        header = ["decoder", "heatmap px", "input px", "picture px"] + ["off by, input px"] * (
            truth is not None
        )
        lines = []
        for name, point in scene.estimates(state).items():
            crop = point * scale
            lines.append([shell.sign(name), *map(_pair, (point, crop, scene.to_image(crop, state.size)))])
            if truth is not None:
                lines[-1].append(f"{np.hypot(*(crop - truth)):.2f}")
        if truth is not None:
            places = (truth / scale, truth, scene.to_image(truth, state.size))
            lines.append([shell.sign("truth"), *map(_pair, places), ""])
        said = (
            f"<b>{self.summary()}</b>. {escape(scene.person.name)}; the map's maximum is {heatmap.max():.2f}."
        )
        return shell.spoken(said + shell.html_table(header, lines))


def _pair(point: np.ndarray) -> str:
    return f"({point[0]:.2f}, {point[1]:.2f})"


def _blur_sigma(kernel: int) -> float:
    """Standard deviation of the blur kernel as it is sampled, px."""
    weights = gaussian_kernel(kernel).numpy()
    return float(np.sqrt((weights * (np.arange(kernel) - kernel // 2) ** 2).sum()))


def heatmap_explorer(
    image: np.ndarray | str | Path | Person | None,
    model: Predictor,
    box: np.ndarray | None = None,
    *,
    labels: np.ndarray | None = None,
    keypoint: str | None = None,
) -> HeatmapExplorer:
    """Heatmap, log-map with Taylor's step, and the positions of argmax, quarter shift, DARK and UDP.

    Click on the picture to jump to the nearest keypoint; all controls work with the keyboard.

    Args:
        image: (H, W, 3) uint8 RGB, a file, a `Person`, or None: the person with most labels of the
            embedded val pictures.
        model: a `Predictor` of the 133 keypoints.
        box: (4,) xywh image px around the person; None: the best one that `detect_people` finds.
        labels: (133, 3) x, y image px and v, or None; with them errors and ideal targets can be seen.
        keypoint: the name to begin with; None: one with a clear map that shows DARK at work, see
            `HeatmapScene.telling_keypoint`.

    Raises:
        InputError: the model is no Predictor of 133 keypoints, the picture cannot be used, or there is no
            such keypoint.
    """
    require_predictor(model)
    if keypoint is not None and keypoint not in KEYPOINTS:
        raise InputError(f"there is no keypoint {keypoint!r}", "Take one of wbkit.keypoints.KEYPOINTS")
    recipe, scene = model.recipe, HeatmapScene(as_person(image, box, labels), model)
    first = scene.telling_keypoint() if keypoint is None else KEYPOINTS.index(keypoint)
    state = HeatmapState(first, recipe.input_size, sigma=recipe.sigma, kernel=recipe.blur_kernel_size)
    return HeatmapExplorer(scene, state)


def require_predictor(model: object) -> None:
    """Raise an InputError if `model` is no Predictor of the 133 keypoints."""
    if not isinstance(model, Predictor) or model.recipe.num_keypoints != len(KEYPOINTS):
        raise InputError(
            f"the model is {type(model).__name__}, no Predictor of the 133 keypoints",
            "Give wbkit.predict.Predictor(model, recipe), or what load_predictor returns",
        )
