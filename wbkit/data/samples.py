"""Persons as training and test samples: boxes turned into crops, augmentation, people rendered on the fly."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import count
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
from torch.utils.data import Dataset

from wbkit.augment import Outcome, Region, change_pixels, draw_outcome
from wbkit.columns import KEYPOINT_FIELDS
from wbkit.data.persons import Persons
from wbkit.errors import InputError
from wbkit.geometry import box_to_center_scale, clip_boxes, crop_image, warp_points
from wbkit.keypoints import PARTS
from wbkit.pictures import read_image
from wbkit.recipes import Augmentation, Recipe

EMPTY_STRIDE = 1_000_003  # from a synthetic picture without usable people to the next one tried


class WholeBodyDataset(Dataset):
    """Persons as samples for the network.

    Args:
        persons: who.
        image_folder: where their pictures lie.
        recipe: input size, padding and UDP flag.
        augmentation: `recipe.augmentation` for training, None for testing.
        seed: of the augmentation.
        keep_failures: hand over a picture that cannot be used as a "failure" (see `collate`), instead
            of raising in the middle of a long run.

    A sample is a dict: `crop` (H, W, 3) uint8 RGB; `keypoints` (133, 2) float32 crop px; `visible` (133,)
    float32, 1 where labelled; `matrix` (2, 3) float64, image -> crop; `person`, its index. Sample
    `epoch * len(dataset) + i` is person i with that epoch's dice, the same whatever the worker.

    Raises:
        InputError: pictures are missing; the first is named and the others counted, before any work. Later,
            for a sample: its picture cannot be read, or has not the size that was labelled.
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
        self._last: tuple[Path | None, np.ndarray | None] = None, None
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
            image = self._read(index)
        except InputError as error:
            if not self.keep_failures:
                raise
            return {"person": index, "failure": str(error)}
        rng = np.random.default_rng([self.seed, epoch, index])
        labels, box = self.persons.keypoints[index], self.persons.boxes_xywh[index]  # (133, 3), (4,)
        return {"person": index, **cut_sample(image, box, labels, self.recipe, self.augmentation, rng)}

    def _read(self, index: int) -> np.ndarray:
        """The picture of a person, if it has the size that its labels are for."""
        path, sizes = self.folder / self.persons.file_names[index], self.persons.image_sizes_wh
        if self._last[0] != path:  # people of one picture often come one after the other
            self._last = path, read_image(path)
        image = self._last[1]
        stated = (
            image.shape[1::-1] if sizes is None or not sizes[index].all() else tuple(sizes[index].tolist())
        )
        if image.shape[1::-1] != stated:
            found, wanted = ("{} x {} px".format(*size) for size in (image.shape[1::-1], stated))
            remedy = "Give the pictures that were labelled, or scale (or turn) labels and sizes with them"
            raise InputError(f"is {found}, but labelled as {wanted}", remedy, file=path)
        return image

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
        if recipe.zoom:  # hands are all right hands: the left ones are mirrored
            left, right = (labelled[PARTS[part]].any() for part in ("lefthand", "righthand"))
            outcome = replace(outcome, flip=bool(left or (outcome.flip and not right)))
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
    """Rendered people as samples, made on the fly: no picture is written or seen twice.

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
        mixes: of `wbkit.synth.write.make_picture`, in turn: picture k is of mix k modulo their number.
    """

    def __init__(
        self,
        recipe: Recipe,
        length: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        samples_per_picture: int = 4,
        size_wh: tuple[int, int] = (384, 512),
        mixes: tuple[str, ...] = ("everyday",),
    ):
        self.recipe, self.length, self.seed, self.mixes = recipe, length, seed, mixes
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

    def fingerprint(self) -> int:
        """A number that changes with the mixes; 0 for everyday people only."""
        return 0 if self.mixes == ("everyday",) else crc32(" ".join(self.mixes).encode())

    def describe(self, index: int) -> str:
        """Which sample `index` is, for messages."""
        return f"sample {index} of seed {self.seed} (picture {index // self.samples_per_picture})"

    def _picture(self, number: int) -> tuple[np.ndarray, list[dict]]:
        """Picture `number` and its usable people; one without any is passed over for a later one."""
        from wbkit.synth.write import make_picture

        if self._last and self._last[0] == number:
            return self._last[1:]
        for index in count(number, EMPTY_STRIDE):
            mix = self.mixes[number % len(self.mixes)]
            sample = make_picture(self.seed, index, self.size_wh, mix=mix)
            people = [a for a in sample.annotations if not a["iscrowd"] and a["num_keypoints"] > 0]
            if people:
                image = cv2.cvtColor(cv2.imdecode(sample.jpeg(), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
                self._last = (number, image, people)
                return image, people
