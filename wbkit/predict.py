"""Pictures and person boxes -> 133 keypoints a person, in image px.

crop -> normalise -> network (plain and mirrored) -> decode -> back through the crop's affine map.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wbkit.errors import InputError, memory_for
from wbkit.geometry import box_matrices, crop_image, points_to_image
from wbkit.heatmaps import HeatmapCodec
from wbkit.hrnet import PoseNet
from wbkit.inference import prepare
from wbkit.keypoints import FLIP_INDICES, NUM_KEYPOINTS, PARTS
from wbkit.memory import keep_freed_memory
from wbkit.pictures import require_size
from wbkit.recipes import RECIPES, SECOND_LOOKS, Recipe
from wbkit.zoom import fuse, where_to_look

MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)
"""ImageNet's, per channel, for pixels 0 ... 255: what every published HRNet was trained with."""


def normalize(crops: Tensor) -> Tensor:
    """RGB crops (B, H, W, 3) uint8 -> network input (B, 3, H, W) float32, on the crops' device."""
    mean, std = (torch.tensor(values, device=crops.device) for values in (MEAN_RGB, STD_RGB))
    return ((crops - mean) / std).permute(0, 3, 1, 2).contiguous()


def mirror_heatmaps(heatmaps: Tensor, shift: bool = True) -> Tensor:
    """Heatmaps of mirrored crops, turned back: columns reversed, left and right keypoints exchanged.

    Args:
        heatmaps: (B, K, H, W); K may be 17, 23 or 133, whose mirror pairs are closed sets.
        shift: also move by one pixel to the right. With stride s, column i of the map stands for input
            column s * i, and mirroring the input sends that to s * (W - i) - 1: nearest to column
            W - i, one to the right of where reversing the map puts it.
    """
    swapped = heatmaps.flip(-1)[:, FLIP_INDICES[: heatmaps.shape[1]]]
    if shift:
        swapped[..., 1:] = swapped[..., :-1].clone()
    return swapped


class Predictor:
    """A network with its recipe, ready for pictures.

    Args:
        model: `PoseNet`, or any module that maps (B, 3, H, W) to heatmaps of the recipe's size.
            It is moved to `device`, and set to eval mode whenever it predicts.
        recipe: a `Recipe` or its name.
        flip_test: average with the mirrored crop; None: as the recipe says.
        device: where to run; None: a GPU if there is one. A CPU process keeps freed memory (`wbkit.memory`).
        dtype: `torch.float32`, or `torch.bfloat16`: faster on GPUs and on CPUs with AVX512-BF16 or AMX,
            at a few hundredths of a pixel.
        batch_size: crops a batch, and images a forward pass at most (for one crop in a flip test, two).
        refine: "none", "quarter" or "dark"; None: as the recipe says.
        exact: run the model as it is, which in float32 is what MMPose computes, to the last bits of a
            convolution. Otherwise a `PoseNet` is copied and prepared (`wbkit.inference.prepare`): faster,
            and different by rounding; changes of the model after that do not reach the copy.
        compile: compile the copy first (half a minute or more): for GPUs. See `prepare` for CPUs.
        zoom: looks again at faces and hands (`wbkit.zoom`), and what it sees counts there; a predictor of
            recipe tiny_zoom. Calls and `many` use it; `heatmaps` and what takes crops are of the first look.

    Raises:
        InputError: the batch size is below 1, or `zoom` does not fit.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe | str,
        flip_test: bool | None = True,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        batch_size: int = 32,
        refine: str | None = None,
        exact: bool = False,
        compile: bool = False,
        zoom: Predictor | None = None,
    ):
        self.recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if self.device.type == "cpu":
            keep_freed_memory()
        self.model = model.to(self.device)
        self.flip_test = self.recipe.flip_test if flip_test is None else flip_test
        if batch_size < 1:
            raise InputError(f"the batch size (--batch-size) is {batch_size}", "Give at least 1")
        self.dtype, self.batch_size = dtype, batch_size
        self.refine = refine or self.recipe.refine
        self.compiled = compile
        if zoom and not (zoom.recipe.zoom and self.recipe.num_keypoints == NUM_KEYPOINTS):
            raise InputError(
                f"recipe {zoom.recipe.name} cannot look again at what {self.recipe.name} has found",
                "A second look needs weights of tiny_zoom, the first one 133 keypoints",
            )
        self.zoom = zoom
        own = isinstance(model, PoseNet) and not exact
        self.network = prepare(self.model, dtype, compile) if own else self.model
        self.codec = HeatmapCodec(**self.recipe.codec_settings())

    def __call__(self, image_rgb: np.ndarray, boxes_xywh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints of the persons in one picture.

        Args:
            image_rgb: (H, W, 3) uint8.
            boxes_xywh: (N, 4) image px, one a person.

        Returns:
            keypoints (N, 133, 2) float32 image px; scores (N, 133) float32, the heatmaps' maxima. With `zoom`
            those of faces and hands are of both looks (`wbkit.zoom.fuse`).

        Raises:
            InputError: the picture is no (H, W, 3) uint8 array; a box is empty, not finite, or outside.
        """
        return next(self.many([(image_rgb, boxes_xywh)]))

    def many(
        self, pictures: Iterable[tuple[np.ndarray, np.ndarray]]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """As calling the predictor on each (image, boxes), but batches run across pictures.

        Pictures are taken one by one, as needed to fill a batch, and answers come in their order. No more
        than two batches' number of pictures wait for one (and as many for the second look).
        """
        return self._first_look(pictures) if self.zoom is None else self._look_twice(pictures)

    def _look_twice(
        self, pictures: Iterable[tuple[np.ndarray, np.ndarray]]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """`many` with `zoom`: the parts that the first look has found are the boxes of the second."""
        images, waiting = deque(), deque()  # of pictures before their first and their second look

        def noted() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for image, boxes in pictures:
                images.append(image)
                yield image, boxes

        def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for keypoints, scores in self._first_look(noted()):
                image, first = images.popleft(), np.dstack([keypoints, scores])  # (N, 133, 3)
                person, part, boxes = where_to_look(first, image.shape[1::-1])
                waiting.append((first, person, part))
                yield image, boxes

        for keypoints, scores in self.zoom.many(parts()):
            both = fuse(*waiting.popleft(), np.dstack([keypoints, scores]))  # (N, 133, 3)
            yield both[..., :2], both[..., 2]

    def _first_look(
        self, pictures: Iterable[tuple[np.ndarray, np.ndarray]]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """`many` without `zoom`."""
        waiting, done = [], []  # persons of each picture begun; finished (keypoints, scores) of persons
        crops, matrices = [], []
        for image, boxes in pictures:
            new_crops, new_matrices = self.cut(image, boxes)
            waiting.append(len(new_crops))
            crops.extend(new_crops)
            matrices.extend(new_matrices)
            # A batch that is not full goes too where many pictures without boxes would wait for it.
            while len(crops) >= self.batch_size or (crops and len(waiting) >= 2 * self.batch_size):
                done.extend(self._run(crops[: self.batch_size], matrices[: self.batch_size]))
                del crops[: self.batch_size], matrices[: self.batch_size]
            while waiting and len(done) >= waiting[0]:
                yield self._take(done, waiting.pop(0))
        done.extend(self._run(crops, matrices))
        for count in waiting:
            yield self._take(done, count)

    def cut(self, image_rgb: np.ndarray, boxes_xywh: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Crops (H, W, 3) uint8 and image -> crop matrices (2, 3), one a box."""
        boxes = checked_boxes(image_rgb, boxes_xywh)
        size = self.recipe.input_size
        matrices = box_matrices(boxes, size, self.recipe.padding)
        pixels = box_matrices(boxes, size, self.recipe.padding, udp=True) if self.recipe.udp else matrices
        return [crop_image(image_rgb, m, size) for m in pixels], [*matrices]

    @torch.inference_mode()
    def heatmaps(self, crops: Tensor) -> Tensor:
        """RGB crops (B, H, W, 3) uint8 -> heatmaps (B, K, H/4, W/4) float32, flip-averaged if asked for."""
        return self.average(normalize(crops.to(self.device, non_blocking=True)))

    def average(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> heatmaps (B, K, H/4, W/4) float32, as `heatmaps`."""
        if not (self.flip_test or self.recipe.zoom):
            return self.forward(images)
        if self.network is not self.model and 2 * len(images) <= max(2, self.batch_size):
            # One pass is faster than two for few people. Not for `exact`: another batch rounds differently.
            both = torch.cat((images, images.flip(-1)))  # (2B, 3, H, W)
            plain, mirrored = self.forward(both).chunk(2)
        else:
            plain, mirrored = self.forward(images), self.forward(images.flip(-1))
        mirrored = mirror_heatmaps(mirrored, self.recipe.shift_flipped)
        average = (plain + mirrored) * 0.5 if self.flip_test else plain
        if self.recipe.zoom:  # it has learnt right hands only: a left one is a right one in the mirror
            for part, maps in (("righthand", plain), ("lefthand", mirrored)):
                average[:, PARTS[part]] = maps[:, PARTS[part]]
        return average

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> heatmaps (B, K, H/4, W/4) float32, without the mirrored ones."""
        if self.network is self.model:
            self.model.eval()
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                return self.model(images).float()
        count = len(images)
        if self.compiled and count < self.batch_size:  # one shape only: each costs a compilation
            images = F.pad(images, (0, 0, 0, 0, 0, 0, 0, self.batch_size - count))
        images = images.to(self.dtype, memory_format=torch.channels_last)
        return self.network(images)[:count].contiguous().float()

    def predict_crops(self, crops: Tensor, matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Crops (B, H, W, 3) uint8, matrices (B, 2, 3) -> image-px keypoints (B, K, 2), scores (B, K).

        Raises:
            InputError: the network's output is not finite, or memory is out.
        """
        remedy = "Give a smaller --batch-size (in training a smaller --micro-batch)"
        with memory_for(f"{len(crops)} people", remedy):
            maps = self.heatmaps(crops)
        if maps.shape[1] != self.recipe.num_keypoints:
            raise InputError(
                f"the network predicts {maps.shape[1]} keypoints, recipe {self.recipe.name} has "
                f"{self.recipe.num_keypoints}",
                f"Build it with PoseNet(width, num_keypoints={self.recipe.num_keypoints})",
            )
        keypoints, scores = self.codec.decode(maps, self.refine)
        if not torch.isfinite(scores).all():
            raise InputError("the network's heatmaps hold NaN or inf", "Check the checkpoint, or use float32")
        points = points_to_image(keypoints.cpu().numpy(), matrices)  # (B, K, 2)
        return points.astype(np.float32), scores.cpu().numpy()

    def _run(self, crops: list, matrices: list) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """One (keypoints, scores) a crop."""
        if not crops:
            return iter(())
        return zip(*self.predict_crops(torch.from_numpy(np.stack(crops)), np.stack(matrices)), strict=True)

    def _take(self, done: list, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `count` finished persons as arrays."""
        people, k = [done.pop(0) for _ in range(count)], self.recipe.num_keypoints
        keypoints = np.array([points for points, _ in people], np.float32).reshape(count, k, 2)
        return keypoints, np.array([scores for _, scores in people], np.float32).reshape(count, k)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        InputError: there is none; the message lists all.
    """
    known = RECIPES | SECOND_LOOKS
    if name not in known:
        raise InputError(f"there is no recipe {name!r}", f"Choose one of: {', '.join(known)}")
    return known[name]


def checked_boxes(image: np.ndarray, boxes_xywh: np.ndarray) -> np.ndarray:
    """(N, 4) float64, or an InputError that names the box."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        remedy = "Give RGB pixels as a uint8 array (H, W, 3), as wbkit.pictures.read_image does"
        raise InputError(f"the image is {what}", remedy)
    require_size(image)
    try:
        boxes = np.asarray(boxes_xywh, dtype=np.float64)
    except (TypeError, ValueError) as error:
        remedy = "Give (N, 4): x, y, width, height in image px"
        raise InputError("boxes are not rows of four numbers", remedy) from error
    boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f"boxes have shape {boxes.shape}", "Give (N, 4): x, y, width, height in image px")
    for index, problem in bad_boxes(boxes, image.shape[1::-1]).items():
        raise InputError(problem, "Boxes are x, y, width, height in image px", record=f"box {index}")
    return boxes


def bad_boxes(boxes_xywh: np.ndarray, size_wh: tuple[int, int]) -> dict[int, str]:
    """Which of the boxes (N, 4) cannot be looked into, and why."""
    outside = (boxes_xywh[:, :2] >= size_wh).any(1) | (boxes_xywh[:, :2] + boxes_xywh[:, 2:] <= 0).any(1)
    problems = {
        "lies outside the {} x {} picture".format(*size_wh): outside,
        "is empty (width or height is not above .001 px)": ~(boxes_xywh[:, 2:] > 1e-3).all(1),
        "is not finite, or larger than a million px": ~(np.abs(boxes_xywh) < 1e6).all(1),
    }
    found = {i: why for why, bad in problems.items() for i in np.flatnonzero(bad).tolist()}
    return {i: f"{boxes_xywh[i].tolist()} {found[i]}" for i in sorted(found)}
