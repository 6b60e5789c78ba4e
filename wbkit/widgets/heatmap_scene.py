"""What `heatmap_explorer` shows: a person's heatmaps, one keypoint's log-map, where the decoders find it."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import torch

from wbkit.geometry import invert_warp, warp_points
from wbkit.heatmaps import HeatmapCodec
from wbkit.keypoints import COLORS, KEYPOINTS, PART_OF_KEYPOINT, PARTS, side_of
from wbkit.predict import Predictor
from wbkit.widgets import canvas
from wbkit.widgets.canvas import Frame
from wbkit.widgets.decoders import DECODERS, TRUTH_COLOR, TRUTH_MARKER, estimates, on_one_thread
from wbkit.widgets.people import Person
from wbkit.widgets.taylor import Patch, column_height, draw_column

SOURCES = ("predicted", "target")
SIZE_FACTORS = (1 / 2, 2 / 3, 1, 3 / 2, 2)
"""Input sizes offered, as factors on the recipe's, where HRNet's strides allow them."""
BODY_POINTS = range(*PARTS["body"].indices(len(KEYPOINTS)))
HIGH = 0.7
"""A map with a higher maximum is a clear one."""
_STRIDE = 32  # of HRNet's lowest branch: both sides must be multiples of it
PATCH_SIDE = Patch.count * Patch.cell
_GAP = 20
_TITLE = 22


@dataclass(frozen=True)
class HeatmapState:
    """What is chosen.

    Attributes:
        keypoint: 0 ... 132. whole_part: show the maps of all keypoints of its part together.
        size: network input (W, H). source: the network's maps, or the ideal targets of the labels.
        sigma: of the targets, heatmap px. kernel: of DARK's blur, odd.
        noise: standard deviation of noise added to the map, as a share of its maximum.
    """

    keypoint: int
    size: tuple[int, int]
    whole_part: bool = False
    source: str = "predicted"
    sigma: float = 2.0
    kernel: int = 11
    noise: float = 0.0


@dataclass(frozen=True, eq=False)
class Maps:
    """One person at one input size: crop (H, W, 3), image -> crop matrix (2, 3), heatmaps (133, h, w)."""

    crop: np.ndarray
    matrix: np.ndarray
    heatmaps: np.ndarray
    codec: HeatmapCodec


class HeatmapScene:
    """A person and a network; everything that is drawn follows from a `HeatmapState`.

    The forward pass runs once an input size and is kept: what sliders change costs a few milliseconds.
    """

    def __init__(self, person: Person, predictor: Predictor):
        self.person, self.predictor = person, predictor
        self.maps = lru_cache(maxsize=8)(self._maps)
        self.points = lru_cache(maxsize=8)(self._points)
        self.heatmap = lru_cache(maxsize=4)(self._heatmap)
        self.estimates = lru_cache(maxsize=4)(self._estimates)

    # --- numbers ---

    def sizes(self) -> list[tuple[int, int]]:
        """Input sizes (W, H) to choose from, smallest first."""
        given = self.predictor.recipe.input_size
        scaled = [tuple(round(f * side) for side in given) for f in SIZE_FACTORS]
        return [size for size in scaled if size == given or not any(side % _STRIDE for side in size)]

    def _maps(self, size: tuple[int, int]) -> Maps:
        sized = copy(self.predictor)  # HRNet takes any size, so the network stays the same
        if size != sized.recipe.input_size:
            sized.recipe = sized.recipe.at(size)
            sized.codec = HeatmapCodec(**sized.recipe.codec_settings())
        crops, matrices = sized.cut(self.person.image, self.person.box_xywh[None])
        heatmaps = sized.heatmaps(torch.from_numpy(crops[0])[None])[0].cpu().numpy()
        return Maps(crops[0], matrices[0], heatmaps, sized.codec)

    def _points(self, size: tuple[int, int]) -> np.ndarray:
        """All keypoints as the predictor decodes them, crop px (133, 2)."""
        maps = self.maps(size)
        return maps.codec.decode(torch.from_numpy(maps.heatmaps)[None], self.predictor.refine)[0][0].numpy()

    def truth(self, state: HeatmapState) -> np.ndarray | None:
        """Labelled place of the keypoint, crop px (2,); None if it has no label."""
        labels = self.person.labels
        if labels is None or labels[state.keypoint, 2] <= 0:
            return None
        return warp_points(labels[state.keypoint, :2], self.maps(state.size).matrix)

    def _heatmap(self, state: HeatmapState) -> np.ndarray:
        """The chosen keypoint's map with its noise, (h, w) float32; zeros for a target without label."""
        maps = self.maps(state.size)
        truth = self.truth(state)
        if state.source == "predicted":
            heatmap = maps.heatmaps[state.keypoint]
        elif truth is None:
            return np.zeros(maps.heatmaps.shape[1:], np.float32)
        else:
            heatmap = _target(replace(maps.codec, sigma=state.sigma), truth)
        if not state.noise:
            return heatmap
        draws = np.random.default_rng(state.keypoint).standard_normal(heatmap.shape)
        return (heatmap + state.noise * max(float(heatmap.max()), 0.0) * draws).astype(np.float32)

    def _estimates(self, state: HeatmapState) -> dict[str, np.ndarray]:
        """Decoder -> (2,) heatmap px."""
        found = estimates(self.heatmap(state)[None], state.kernel)
        return {name: points[0] for name, points in found.items()}

    def telling_keypoint(self) -> int:
        """One to begin with: of the body's labelled points with a high map, where DARK's step helps most.

        That is where DARK is nearer to the label, compared with the better of argmax and quarter shift.
        Where no map is high all labelled ones are compared; without labels it is the body's highest map.
        """
        size = self.predictor.recipe.input_size
        states = [HeatmapState(k, size, kernel=self.predictor.recipe.blur_kernel_size) for k in BODY_POINTS]
        height = {s: float(self.heatmap(s).max()) for s in states}
        labelled = [s for s in states if self.truth(s) is not None]
        if not labelled:
            return max(states, key=height.get).keypoint
        high = [s for s in labelled if height[s] >= HIGH]
        return max(high or labelled, key=self._gain).keypoint

    def _gain(self, state: HeatmapState) -> float:
        """By how many heatmap px DARK is nearer to the label than argmax and quarter shift are."""
        truth = self.truth(state) / self.maps(state.size).codec.scale
        off = {name: float(np.hypot(*(point - truth))) for name, point in self.estimates(state).items()}
        return min(off["argmax"], off["quarter"]) - off["DARK"]

    def to_image(self, crop_points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Crop px -> image px."""
        return warp_points(crop_points, invert_warp(self.maps(size).matrix))

    def to_crop(self, image_points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Image px -> crop px."""
        return warp_points(image_points, self.maps(size).matrix)

    # --- clicking ---

    def crop_panel(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the crop's panel, px; the same height for every size."""
        height = column_height(PATCH_SIDE) - _TITLE
        return round(height * size[0] / size[1]), height

    def frame(self, size: tuple[int, int]) -> Frame:
        """Of crop px in the picture."""
        return canvas.crop_frame(size, self.crop_panel(size), top=_TITLE)

    def nearest(self, state: HeatmapState, x: float, y: float) -> int | None:
        """The keypoint drawn nearest to a place of the picture; None outside the crop's panel."""
        width, height = self.crop_panel(state.size)
        if not (0 <= x < width and _TITLE <= y < _TITLE + height):
            return None
        drawn = self.frame(state.size).to_panel(self.points(state.size))
        return int(np.argmin(((drawn - (x, y)) ** 2).sum(1)))

    # --- drawing ---

    def draw(self, state: HeatmapState) -> np.ndarray:
        """The whole picture: heatmap over the crop on the left, the log-map and its section on the right."""
        width, height = self.crop_panel(state.size)
        picture = canvas.blank(width + _GAP + PATCH_SIDE, height + _TITLE)
        canvas.paste(picture, self._draw_crop(state), 0, _TITLE)
        name = KEYPOINTS[state.keypoint]
        kind = "predicted" if state.source == "predicted" else "target"
        whole = state.whole_part and state.source == "predicted"
        shown = f"all of {PART_OF_KEYPOINT[state.keypoint]}, {name}" if whole else name
        canvas.text(picture, (0, 2), f"{shown}: {kind} heatmap", bold=True)
        title = "Log of the blurred map; DARK reads the frame"
        column, _ = draw_column(self.patch(state), title, picture.shape[0])
        canvas.paste(picture, column, width + _GAP, 0)
        return picture

    def patch(self, state: HeatmapState) -> Patch:
        """The window around the map's peak."""
        heatmap, found = self.heatmap(state), self.estimates(state)
        truth, scale = self.truth(state), self.maps(state.size).codec.scale
        center = tuple(round(float(v)) for v in found["argmax"])
        if center[0] < 0:  # nothing there: the middle of the map
            center = heatmap.shape[1] // 2, heatmap.shape[0] // 2
        place = None if truth is None else truth / scale
        return Patch(heatmap, state.kernel, found, place, center)

    def _draw_crop(self, state: HeatmapState) -> np.ndarray:
        maps, size = self.maps(state.size), self.crop_panel(state.size)
        frame = canvas.crop_frame(state.size, size)
        heatmap = self.heatmap(state)
        shown = heatmap
        if state.whole_part and state.source == "predicted":
            shown = maps.heatmaps[PARTS[PART_OF_KEYPOINT[state.keypoint]]].max(0)
        panel = canvas.overlay_heatmap(canvas.enlarge(maps.crop, size), shown, frame, maps.codec.scale)
        for k, place in enumerate(frame.to_panel(self.points(state.size))):
            if k != state.keypoint:
                cv2.circle(
                    panel, tuple(np.rint(place).astype(int).tolist()), 2, COLORS[side_of(k)], -1, cv2.LINE_AA
                )
        truth = self.truth(state)
        if truth is not None:
            canvas.marker(panel, frame.to_panel(truth), TRUTH_MARKER, TRUTH_COLOR, radius=10)
        for name, point in self.estimates(state).items():
            place = frame.to_panel(point * maps.codec.scale)
            canvas.marker(
                panel, place, DECODERS[name].marker, DECODERS[name].color, radius=DECODERS[name].radius
            )
        return panel


@on_one_thread
def _target(codec: HeatmapCodec, point: np.ndarray) -> np.ndarray:
    """The ideal map of one keypoint (2,) crop px, (h, w) float32."""
    return codec.encode(torch.from_numpy(point)[None, None], torch.ones(1, 1))[0][0, 0].numpy()
