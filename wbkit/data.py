"""Persons as training and test samples: pictures read, boxes turned into crops, augmentation.

Workers hand over uint8 crops and points; normalising and target making happen per batch on the device.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import reduce
from itertools import count
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from wbkit.annotations import KEYPOINT_FIELDS, Annotations, Detections
from wbkit.augment import Outcome, Region, change_pixels, draw_outcome
from wbkit.errors import InputError
from wbkit.geometry import box_to_center_scale, clip_boxes, crop_image, warp_points
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
        # OpenCV would fill the rest with grey and say nothing.
        raise InputError("the JPEG is cut off (no end marker)", "Fetch the picture again", file=path)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        problem = "is not a picture that OpenCV can read" if content.size else "is empty"
        remedy = "Give a JPEG or PNG; fetch it again if cut off or empty"
        if content[4:12].tobytes() in (b"ftypheic", b"ftypheix", b"ftypmif1"):
            problem, remedy = "is a HEIC picture, which OpenCV cannot read", "Convert it to JPEG"
        raise InputError(problem, remedy, file=path)
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


EMPTY_STRIDE = 1_000_003  # from a synthetic picture without usable people to the next one tried


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
        rng = np.random.default_rng([self.seed, epoch, index])
        labels, box = self.persons.keypoints[index], self.persons.boxes_xywh[index]  # (133, 3), (4,)
        return {"person": index, **cut_sample(image, box, labels, self.recipe, self.augmentation, rng)}

    def fingerprint(self) -> int:
        """A number that changes with the persons, their boxes and labels (not with pixels)."""
        arrays = (self.persons.ids, self.persons.boxes_xywh, self.persons.keypoints)
        return reduce(lambda crc, array: crc32(np.ascontiguousarray(array), crc), arrays, 0)

    def describe(self, index: int) -> str:
        """Who person `index` is, for messages."""
        return f"person {self.persons.ids[index]} in {self.persons.file_names[index]}"


def cut_sample(
    image: np.ndarray,
    box_xywh: np.ndarray,
    labels: np.ndarray,
    recipe: Recipe,
    augmentation: Augmentation | None,
    rng: np.random.Generator,
) -> dict:
    """One person of a picture as a sample (see `WholeBodyDataset`), without its index.

    Args:
        image: (H, W, 3) uint8 RGB.
        box_xywh: (4,) image px.
        labels: (133, 3) image px and v.
        augmentation: None for testing; `rng` is then left alone.
    """
    center, scale = box_to_center_scale(box_xywh, recipe.padding)
    labelled = (labels[:, 2] > 0) & (np.arange(len(labels)) < recipe.num_keypoints)
    region, outcome = Region(center, scale, labels[:, :2], labelled), Outcome()
    if augmentation:
        outcome = draw_outcome(region.visible, augmentation, rng)
        region = region.augmented(outcome, image.shape[1], augmentation.half_body_padding)
        image = cv2.flip(image, 1) if outcome.flip else image
    size, rotation = recipe.input_size, np.float32(outcome.rotation_deg)
    matrix = region.matrix(size, rotation)
    # UDP's map turns the other way, in MMPose too.
    crop = crop_image(image, region.matrix(size, -rotation, udp=True) if recipe.udp else matrix, size)
    k = recipe.num_keypoints
    return {
        "crop": change_pixels(crop, augmentation, rng) if augmentation else crop,  # (H, W, 3)
        "keypoints": warp_points(region.keypoints, matrix)[:k].astype(np.float32),  # (K, 2)
        "visible": region.visible[:k].astype(np.float32),  # (K,)
        "matrix": matrix,
    }


class SyntheticPeople(Dataset):
    """Rendered people (everyday ones) as samples, made on the fly: no picture is written or seen twice.

    Rendering takes about .2 s of one core a picture, so every picture serves for `samples_per_picture`
    samples: its persons in turn, each time cut and changed anew. Sample key k is sample k modulo that number
    of picture k divided by it, whatever the worker and however often it is asked for. Keys in a row share
    their picture, so load them in order (`EpochSampler` with shuffle=False): pictures come at random anyway.

    Args:
        recipe: input size, padding, UDP flag.
        length: samples that count as one epoch; the next epoch's are new ones.
        augmentation: None: the recipe's.
        seed: of pictures and augmentation.
        samples_per_picture: see above.
        size_wh: of the rendered pictures, px.
    """

    def __init__(
        self,
        recipe: Recipe,
        length: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        samples_per_picture: int = 4,
        size_wh: tuple[int, int] = (384, 512),
    ):
        self.recipe, self.length, self.seed = recipe, length, seed
        self.augmentation = augmentation or recipe.augmentation
        self.samples_per_picture, self.size_wh = samples_per_picture, size_wh
        self._last: tuple[int, np.ndarray, list[dict]] | None = None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: int) -> dict:
        number, turn = divmod(int(key), self.samples_per_picture)
        image, people = self._picture(number)
        person = people[(number + turn) % len(people)]
        labels = np.concatenate([person[f] for f in KEYPOINT_FIELDS]).reshape(-1, 3)  # (133, 3)
        box = clip_boxes(np.array([person["bbox"]]), np.array([image.shape[1::-1]]))[0]
        rng = np.random.default_rng([self.seed, int(key), 1])
        return {"person": int(key), **cut_sample(image, box, labels, self.recipe, self.augmentation, rng)}

    def describe(self, index: int) -> str:
        """Which sample `index` is, for messages."""
        return f"sample {index} of seed {self.seed} (picture {index // self.samples_per_picture})"

    def _picture(self, number: int) -> tuple[np.ndarray, list[dict]]:
        """Picture `number` and its usable people; one without any is passed over for a later one."""
        from wbkit.synth.write import make_picture

        if self._last and self._last[0] == number:
            return self._last[1:]
        for index in count(number, EMPTY_STRIDE):
            sample = make_picture(self.seed, index, self.size_wh)
            people = [a for a in sample.annotations if not a["iscrowd"] and a["num_keypoints"] > 0]
            if people:
                image = cv2.cvtColor(cv2.imdecode(sample.jpeg(), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
                self._last = (number, image, people)
                return image, people


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

    Args:
        n: samples an epoch.
        seed: of the order.
        shuffle: False: 0 ... n - 1.
        rank, world: of several processes, each takes every world-th key, or without shuffling a block of
            keys in a row (which `SyntheticPeople` needs). All get equally many: the first keys of the epoch
            come again at its end where n is no multiple of `world`.

    Attributes:
        epoch: set it before iterating.
        start: how many of its own keys to leave out, to go on in the middle of an epoch.
    """

    def __init__(self, n: int, seed: int = 0, shuffle: bool = True, rank: int = 0, world: int = 1):
        self.n, self.seed, self.shuffle, self.rank, self.world = n, seed, shuffle, rank, world
        self.epoch = self.start = 0

    def __iter__(self) -> Iterator[int]:
        dice = np.random.default_rng([self.seed, self.epoch])
        order = dice.permutation(self.n) if self.shuffle else np.arange(self.n)
        order = np.resize(order, len(self) * self.world)
        own = order[self.rank :: self.world] if self.shuffle else np.split(order, self.world)[self.rank]
        return iter((self.epoch * self.n + own[self.start :]).tolist())

    def __len__(self) -> int:
        return -(-self.n // self.world)


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
                f"Give --data a folder with annotations/coco_wholebody_{split}_v1.0.json and {split}2017/",
                file=path,
            )
    detections = folder / "person_detection_results" / "COCO_val2017_detections_AP_H_56_person.json"
    return CocoFolder(annotations, images, detections if split == "val" and detections.exists() else None)
