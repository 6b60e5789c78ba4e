"""Persons as training and test samples: pictures read, boxes turned into crops, augmentation.

Workers hand over uint8 crops and points; normalising and target making happen per batch on the device.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import NormalDist

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from wbkit.annotations import Annotations, Detections
from wbkit.errors import InputError
from wbkit.geometry import (
    box_to_center_scale,
    clip_boxes,
    crop_image,
    fix_aspect,
    flip_keypoints,
    half_body_box,
    warp_matrix,
    warp_points,
)
from wbkit.keypoints import FLIP_INDICES, LOWER_BODY, UPPER_BODY
from wbkit.recipes import Augmentation, Recipe


def read_image(path: str | Path) -> np.ndarray:
    """An image file as RGB uint8 (H, W, 3).

    Raises:
        InputError: the file is missing, no image, or cut off.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("there is no such picture", "Check the folder and the file name", file=path)
    content = np.fromfile(path, np.uint8)
    if content[:2].tobytes() == b"\xff\xd8" and not _jpeg_is_whole(content):
        raise InputError(
            "the JPEG is cut off (no end marker)", "Fetch the picture again", file=path
        )  # OpenCV would fill the rest with grey and say nothing
    if not content.size:
        raise InputError("is empty", "Fetch the picture again", file=path)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(
            "is not a picture that OpenCV can read",
            "Give a JPEG or PNG; fetch it again if cut off",
            file=path,
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # a marker that is no part of a JPEG's pixel data


def _jpeg_is_whole(content: np.ndarray) -> bool:
    """Whether the picture's own end marker is there.

    A thumbnail in the header has one too, and phones write films behind it: so the segments are walked.
    """
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xD9:
            return True
        if marker == 0xFF:  # padding
            place += 1
            continue
        place += 2 + int.from_bytes(content[place + 2 : place + 4].tobytes(), "big")
        if marker == 0xDA:  # pixel data follow
            found = _AFTER_SCAN.search(content, place)
            place = found.start() if found else len(content)
    return b"\xff\xd9" in content[place:].tobytes()


# --- augmentation --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What chance decided for one sample; `Region.augmented` carries it out.

    Attributes:
        flip: mirror the picture.
        half_body: indices of the keypoints to zoom in on, or None.
        offset: (x, y) shift of the centre in units of the region's (w, h).
        scale_factor: factor on the region's size.
        rotation_deg: its rotation.
    """

    flip: bool = False
    half_body: tuple[int, ...] | None = None
    offset: tuple[float, float] = (0.0, 0.0)
    scale_factor: float = 1.0
    rotation_deg: float = 0.0


def truncated_normal(rng: np.random.Generator, size: int) -> np.ndarray:
    """Standard normal values between -1 and 1, by inverting the distribution function: (size,)."""
    normal = NormalDist()
    return np.array([normal.inv_cdf(u) for u in rng.uniform(normal.cdf(-1), normal.cdf(1), size)])


def draw_half_body(
    visible: np.ndarray, settings: Augmentation, rng: np.random.Generator
) -> tuple[int, ...] | None:
    """Which half of a person to zoom in on, if any.

    Args:
        visible: (133,) bool, after mirroring.

    Returns:
        The visible keypoints of the chosen half, or None: too few are visible, or chance says no.
    """
    if visible.sum() < settings.half_body_min_keypoints or rng.random() > settings.half_body_probability:
        return None
    upper, lower = (tuple(i for i in ids if visible[i]) for ids in (UPPER_BODY, LOWER_BODY))
    few_upper, few_lower = (
        len(upper) < settings.half_body_min_upper,
        len(lower) < settings.half_body_min_lower,
    )
    if few_upper and few_lower:
        return None
    if few_upper or few_lower:
        return lower if few_upper else upper
    return upper if rng.random() < settings.prefer_upper_probability else lower


def draw_outcome(visible: np.ndarray, settings: Augmentation, rng: np.random.Generator) -> Outcome:
    """Throw the dice for one sample: (133,) bool visibilities -> `Outcome`."""
    flip = bool(rng.random() < settings.flip_probability)
    half = draw_half_body(visible[FLIP_INDICES] if flip else visible, settings, rng)
    shift_x, shift_y, scale, rotation = truncated_normal(rng, 4)
    shifted = rng.random() < settings.shift_probability
    rotated = rng.random() < settings.rotation_probability
    low, high = settings.scale
    return Outcome(
        flip=flip,
        half_body=half,
        offset=(shift_x * settings.shift, shift_y * settings.shift) if shifted else (0.0, 0.0),
        scale_factor=(low + high) / 2 + (high - low) / 2 * scale,
        rotation_deg=rotation * settings.rotation_deg if rotated else 0.0,
    )


@dataclass(frozen=True)
class Region:
    """One person in a picture: where to cut, and the points that travel along.

    Numbers keep the precision in which MMPose carries them (float32 from boxes, float64 from half
    bodies), so that crops agree to the last grey level.

    Attributes:
        center: (2,) middle of the region.
        scale: (2,) its padded (w, h), of any aspect ratio.
        keypoints: (133, 2) image px.
        visible: (133,) bool, labelled.
    """

    center: np.ndarray
    scale: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray

    def mirrored(self, image_width: int) -> Region:
        """The same person in the mirrored picture."""
        center = self.center.copy()
        center[0] = image_width - 1 - center[0]
        keypoints = flip_keypoints(self.keypoints, image_width)
        return Region(center, self.scale, keypoints, self.visible[FLIP_INDICES])

    def augmented(self, outcome: Outcome, image_width: int, half_body_padding: float) -> Region:
        """Mirror, zoom on half the body, shift, scale: in MMPose's order (rotation is for the warp)."""
        region = self.mirrored(image_width) if outcome.flip else self
        center, scale = region.center, region.scale
        if outcome.half_body:
            half = half_body_box(region.keypoints, list(outcome.half_body), half_body_padding)
            center, scale = half if half[1].all() else (center, scale)  # not if all lie in one line
        center = center + np.array(outcome.offset, np.float32) * scale
        return replace(region, center=center, scale=scale * np.float32(outcome.scale_factor))

    def matrix(self, input_size: tuple[int, int], rotation_deg: float = 0.0, udp: bool = False) -> np.ndarray:
        """(2, 3) image -> crop."""
        return warp_matrix(self.center, fix_aspect(self.scale, input_size), rotation_deg, input_size, udp)


# --- who is in the pictures ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Persons:
    """Boxes to look into, N persons: from ground truth or from a detector.

    Attributes:
        image_ids: (N,) int64.
        file_names: (N,) str, relative to the picture folder.
        boxes_xywh: (N, 4) float64 image px.
        box_scores: (N,) float64, 1 for ground truth.
        ids: (N,) int64, annotation id, or the running number of the detection.
        keypoints: (N, 133, 3) float64 image px and v, zeros for detections.
    """

    image_ids: np.ndarray
    file_names: np.ndarray
    boxes_xywh: np.ndarray
    box_scores: np.ndarray
    ids: np.ndarray
    keypoints: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, persons: np.ndarray | slice) -> Persons:
        """Only the given persons (indices, mask or slice)."""
        return Persons(**{f.name: getattr(self, f.name)[persons] for f in fields(self)})


def persons_from_annotations(annotations: Annotations) -> Persons:
    """Ground-truth persons as MMPose uses them for training, and for testing with ground-truth boxes.

    Boxes are clipped to their picture. Left out: crowds, persons without a labelled body keypoint (even
    if hands or face are labelled), and boxes that are empty after clipping.

    Raises:
        InputError: the file does not state a picture's size.
    """
    order = np.argsort(annotations.image_ids, kind="stable")
    picture = order[np.searchsorted(annotations.image_ids[order], annotations.person_image_ids)]
    sizes = annotations.image_sizes_wh[picture]  # (N, 2)
    if (sizes <= 0).any():
        record = f"image with id {annotations.person_image_ids[(sizes <= 0).any(1)][0]}"
        remedy = "Add the picture's size to the file"
        raise InputError("has no width or no height", remedy, file=annotations.source, record=record)
    boxes = clip_boxes(annotations.boxes_xywh, sizes)
    labelled = (annotations.keypoints[..., 2] > 0).any(1)
    usable = ~annotations.crowd & (annotations.num_keypoints > 0) & labelled & (boxes[:, 2:] > 0).all(1)
    return Persons(
        image_ids=annotations.person_image_ids,
        file_names=annotations.file_names[picture],
        boxes_xywh=boxes,
        box_scores=np.ones(len(boxes)),
        ids=annotations.ids,
        keypoints=annotations.keypoints,
    ).select(usable)


def persons_from_detections(annotations: Annotations, detections: Detections) -> Persons:
    """A detector's boxes in the pictures of an annotation file, unclipped, as MMPose uses them.

    Raises:
        InputError: a detection names a picture that the file does not have.
    """
    order = np.argsort(annotations.image_ids, kind="stable")
    known = np.isin(detections.image_ids, annotations.image_ids)
    if not known.all():
        first = int(np.argmin(known))
        raise InputError(
            f"image {detections.image_ids[first]} is not in {annotations.source}",
            f"Use detections of the same pictures ({(~known).sum()} of {len(known)} are of others)",
            file=detections.source,
            record=f"detection {first}",
            field="image_id",
        )
    picture = order[np.searchsorted(annotations.image_ids[order], detections.image_ids)]
    return Persons(
        image_ids=detections.image_ids,
        file_names=annotations.file_names[picture],
        boxes_xywh=detections.boxes_xywh,
        box_scores=detections.scores,
        ids=np.arange(len(detections)),
        keypoints=np.zeros((len(detections), 133, 3)),
    )


# --- samples -------------------------------------------------------------------------------------------


class WholeBodyDataset(Dataset):
    """Persons as samples for the network.

    Args:
        persons: who.
        image_folder: where their pictures lie.
        recipe: input size, padding and UDP flag.
        augmentation: `recipe.augmentation` for training, None for testing.
        seed: of the augmentation.
        keep_failures: hand over a picture that cannot be read as a "failure" (see `collate`), instead
            of raising in the middle of a long run.

    A sample is a dict: `crop` (H, W, 3) uint8 RGB; `keypoints` (133, 2) float32 crop px; `visible` (133,)
    float32, 1 where labelled; `matrix` (2, 3) float64, image -> crop; `person`, its index. Sample
    `epoch * len(dataset) + i` is person i with that epoch's dice, the same whatever the worker.

    Raises:
        InputError: pictures are missing; the first is named and the others counted, before any work.
    """

    def __init__(
        self,
        persons: Persons,
        image_folder: str | Path,
        recipe: Recipe,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        keep_failures: bool = False,
    ):
        self.persons, self.folder, self.recipe = persons, Path(image_folder), recipe
        self.augmentation, self.seed, self.keep_failures = augmentation, seed, keep_failures
        missing = [name for name in np.unique(persons.file_names) if not (self.folder / name).is_file()]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(np.unique(persons.file_names))} pictures are missing from this "
                f"folder, the first is {missing[0]}",
                "Check the folder, or fetch the pictures (wbkit download)",
                file=self.folder,
            )

    def __len__(self) -> int:
        return len(self.persons)

    def __getitem__(self, key: int) -> dict:
        epoch, index = divmod(int(key), len(self))
        try:
            image = read_image(self.folder / self.persons.file_names[index])
        except InputError as error:
            if not self.keep_failures:
                raise
            return {"person": index, "failure": str(error)}
        return self._sample(image, index, epoch)

    def _sample(self, image: np.ndarray, index: int, epoch: int) -> dict:
        labels = self.persons.keypoints[index]  # (133, 3)
        center, scale = box_to_center_scale(self.persons.boxes_xywh[index], self.recipe.padding)
        region, outcome = Region(center, scale, labels[:, :2], labels[:, 2] > 0), Outcome()
        if self.augmentation:
            rng = np.random.default_rng([self.seed, epoch, index])
            outcome = draw_outcome(region.visible, self.augmentation, rng)
            region = region.augmented(outcome, image.shape[1], self.augmentation.half_body_padding)
            image = cv2.flip(image, 1) if outcome.flip else image
        size, rotation = self.recipe.input_size, np.float32(outcome.rotation_deg)
        matrix = region.matrix(size, rotation)
        # UDP's map turns the other way, in MMPose too.
        pixels = region.matrix(size, -rotation, udp=True) if self.recipe.udp else matrix
        return {
            "person": index,
            "crop": crop_image(image, pixels, size),  # (H, W, 3)
            "keypoints": warp_points(region.keypoints, matrix).astype(np.float32),  # (133, 2)
            "visible": region.visible.astype(np.float32),  # (133,)
            "matrix": matrix,
        }


def collate(samples: list[dict]) -> dict:
    """Samples -> a batch of tensors with a leading axis B.

    Samples of unreadable pictures are taken out of the tensors and listed in `failures`, pairs of the
    person's index and the message; the rest may be empty (B = 0: the tensors are then missing).
    """
    failures = [(s["person"], s["failure"]) for s in samples if "failure" in s]
    good = [s for s in samples if "failure" not in s]
    batch = {key: torch.from_numpy(np.stack([s[key] for s in good])) for key in (good[0] if good else ())}
    return {**batch, "failures": failures}


class EpochSampler(Sampler):
    """Sample keys `epoch * n + i` in an order that depends on (seed, epoch) only.

    Set `epoch` before iterating. `rank` of `world` takes every world-th key, for several processes.
    """

    def __init__(self, n: int, seed: int = 0, shuffle: bool = True, rank: int = 0, world: int = 1):
        self.n, self.seed, self.shuffle, self.rank, self.world = n, seed, shuffle, rank, world
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self.n)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        return iter((self.epoch * self.n + order[self.rank :: self.world]).tolist())

    def __len__(self) -> int:
        return len(range(self.rank, self.n, self.world))


def _start_worker(worker: int) -> None:
    cv2.setNumThreads(0)  # a worker is one thread; OpenCV's own pool would compete with its siblings


def make_loader(
    dataset: Dataset, batch_size: int, sampler: Sampler | None = None, workers: int = 0
) -> DataLoader:
    """A DataLoader of `collate`d batches; without a sampler in order, for testing."""
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_start_worker,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


@dataclass(frozen=True)
class CocoFolder:
    """Where the files of one split of a COCO-WholeBody folder lie (layout: `data/README.md`)."""

    annotations: Path
    images: Path
    detections: Path | None


def find_coco_folder(folder: str | Path, split: str = "val") -> CocoFolder:
    """The files of `folder`: annotations/coco_wholebody_<split>_v1.0.json, <split>2017/, and detections.

    Raises:
        InputError: the folder or its annotation file is missing.
    """
    folder = Path(folder)
    annotations = folder / "annotations" / f"coco_wholebody_{split}_v1.0.json"
    images = folder / f"{split}2017"
    for path, what in ((folder, "folder"), (annotations, "annotation file"), (images, "picture folder")):
        if not path.exists():
            raise InputError(
                f"the {what} is missing",
                "Give --data a folder with annotations/coco_wholebody_val_v1.0.json and val2017/",
                file=path,
            )
    detections = folder / "person_detection_results" / "COCO_val2017_detections_AP_H_56_person.json"
    return CocoFolder(annotations, images, detections if split == "val" and detections.exists() else None)
