"""Write a data set of synthetic people: pictures, COCO-WholeBody v1.0 annotations; any number of processes.

Layout, as COCO's: `annotations/coco_wholebody_{train,val}_v1.0.json`, `train2017/`, `val2017/`. Picture i
depends on (seed, i) only. While a run goes on, what is done lies in `.parts/`; the same command goes on
from there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from wbkit.errors import InputError
from wbkit.files import atomic_write, read_json, write_json
from wbkit.keypoints import KEYPOINTS, SKELETON
from wbkit.synth import camera, labels, scene
from wbkit.tables import PERSON_CATEGORY

FORMAT = 3  # of the pictures; raised when the same seed gives other pictures
VAL_OFFSET = 10_000_000  # picture i of the validation set is picture VAL_OFFSET + i of its seed
LARGEST_SIDE, SMALLEST_SIDE = 4096, 64


@dataclass(frozen=True, eq=False)
class Sample:
    """`image` (H, W, 3) RGB uint8; `annotations`: COCO-WholeBody records; `jpeg_quality` it is written
    with."""

    image: np.ndarray
    annotations: list[dict]
    jpeg_quality: int

    def jpeg(self) -> np.ndarray:
        """The picture as the bytes of a JPEG file, (n,) uint8."""
        quality = [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality]
        return cv2.imencode(".jpg", self.image[:, :, ::-1], quality)[1]


def make_picture(
    seed: int,
    index: int,
    size_wh: tuple[int, int] = (384, 512),
    persons: int | None = None,
    mix: str = "everyday",
) -> Sample:
    """Picture `index` of a seed: rendered people and their labels, always the same.

    Args:
        persons: how many people at most (who finds no room is left out); None: 1-6 at random.
        mix: "everyday", or "hard": more people who sit, squat, turn away, stand far off, more hands near by.
    """
    rng = scene.random_generator(seed, index)
    people = scene.build_scene(rng, size_wh, persons, scene.MIXES[mix])
    picture = scene.render_scene(people, rng)
    image = camera.develop(rng, picture.colours)
    quality = int(rng.choice([90, 84, 76, 60, 42], p=[0.25, 0.35, 0.25, 0.1, 0.05]))
    return Sample(image, labels.annotate(people, picture, index, 0), quality)


CATEGORIES = [
    {
        "id": PERSON_CATEGORY,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(KEYPOINTS[:17]),
        "skeleton": [[a + 1, b + 1] for a, b in SKELETON if b < 17 and a < 17],
    }
]
"""What an annotation file says of its one category."""


@dataclass(frozen=True)
class _Job:
    """One picture to make: where it goes, and from what."""

    out: Path
    split: str
    number: int
    seed: int
    size_wh: tuple[int, int]
    mix: str

    @property
    def image(self) -> Path:
        return self.out / f"{self.split}2017" / f"{self.number + 1:012d}.jpg"

    @property
    def part(self) -> Path:
        return self.out / ".parts" / self.split / f"{self.number + 1:012d}.json"

    def is_done(self) -> bool:
        return self.part.exists() and self.image.exists()


def generate(
    out: str | Path,
    pictures: int,
    seed: int = 0,
    workers: int | None = None,
    size_wh: tuple[int, int] = (384, 512),
    val_pictures: int = 0,
    progress: bool = True,
    mix: str = "everyday",
) -> Path:
    """Write `pictures` training and `val_pictures` validation pictures with their annotations to `out`.

    Args:
        workers: processes; None: one a CPU core.
        size_wh: of every picture, px.
        progress: show a bar with pictures a second.
        mix: see `make_picture`.

    Returns:
        The annotation file of the training pictures.

    Raises:
        InputError: an option is out of range, `out` holds another data set, or it cannot be written to.
            A later run with the same options goes on where this one stopped.
    """
    out, workers = Path(out), (os.cpu_count() or 1) if workers is None else workers
    _check_options(pictures, val_pictures, seed, workers, size_wh)
    if mix not in scene.MIXES:
        raise InputError(f"there is no mix {mix!r}", f"Give one of {', '.join(scene.MIXES)}")
    options = {"format": FORMAT, "seed": seed, "size": list(size_wh)}
    if mix != "everyday":
        options["mix"] = mix
    _claim(out, options)
    splits = {"train": pictures, "val": val_pictures}
    jobs = [_Job(out, split, i, seed, tuple(size_wh), mix) for split, n in splits.items() for i in range(n)]
    todo = [job for job in jobs if not job.is_done()]
    with tqdm(
        total=len(jobs), initial=len(jobs) - len(todo), desc="synth", unit="picture", disable=not progress
    ) as bar:
        for _ in _run(todo, min(workers, max(1, len(todo)))):
            bar.update()
    for split, n in splits.items():
        if n:
            _assemble(out, split, [job for job in jobs if job.split == split], options)
    _remove_others(out, jobs)
    shutil.rmtree(out / ".parts")
    return out / "annotations" / "coco_wholebody_train_v1.0.json"


def _check_options(
    pictures: int, val_pictures: int, seed: int, workers: int, size_wh: tuple[int, int]
) -> None:
    for name, value, low in (
        ("pictures", pictures, 1),
        ("val", val_pictures, 0),
        ("seed", seed, 0),
        ("workers", workers, 1),
    ):
        if value < low:
            raise InputError(f"{name} is {value}", f"Give a number of at least {low}")
    if pictures > VAL_OFFSET:
        raise InputError(
            f"pictures is {pictures}", f"Give at most {VAL_OFFSET} a seed; take a second seed for more"
        )
    if not all(SMALLEST_SIDE <= s <= LARGEST_SIDE for s in size_wh):
        raise InputError(
            f"size is {size_wh[0]}x{size_wh[1]}",
            f"Give a width and height of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels",
        )


def _claim(out: Path, options: dict) -> None:
    """Start or go on with a data set in `out`; one made with other options is left alone."""
    stated = out / ".parts" / "options.json"
    if stated.exists():
        if read_json(stated) != options:
            raise InputError(
                f"holds an unfinished run with other options ({read_json(stated)})",
                "Give the same options to go on, or another folder",
                file=out,
            )
        return
    if (out / "annotations").exists() or (out / "train2017").exists() or (out / "val2017").exists():
        raise InputError("holds a data set already", "Remove it or give another folder", file=out)
    write_json(stated, options)


def _run(jobs: list[_Job], workers: int) -> Iterator[None]:
    """Make every job's picture; the first failure ends the run."""
    if workers <= 1:
        for job in jobs:
            _make(job)
            yield
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), cv2.setNumThreads, (1,))
    try:
        for _ in pool.map(_make, jobs, chunksize=4):
            yield
    except BrokenProcessPool as error:
        raise InputError(
            "a worker was killed, probably for memory",
            "Give fewer --workers; the same command goes on",
            file=jobs[0].out,
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _make(job: _Job) -> None:
    """Write one picture, then its records.

    Raises:
        InputError: the folder cannot be written to; for any other failure too, with the picture's number.
    """
    parent = multiprocessing.parent_process()
    if parent and not parent.is_alive():
        os._exit(1)  # the command was killed; nobody waits for this worker's pictures
    index = job.number + (VAL_OFFSET if job.split == "val" else 0)
    try:
        sample = make_picture(job.seed, index, job.size_wh, mix=job.mix)
        with atomic_write(job.image) as temporary:
            temporary.write_bytes(sample.jpeg().tobytes())
        write_json(job.part, sample.annotations)
    except InputError:
        raise
    except Exception as error:
        problem = f"picture {index} of seed {job.seed} failed: {error!r}"
        raise InputError(problem, "Please report it", file=job.image) from error


def _remove_others(out: Path, jobs: list[_Job]) -> None:
    """Remove what killed runs left: half pictures, and pictures beyond a number that was made smaller."""
    wanted = {job.image for job in jobs}
    for split in ("train", "val"):
        for path in (out / f"{split}2017").glob("*.jpg"):
            if path not in wanted:
                path.unlink()


def _assemble(out: Path, split: str, jobs: list[_Job], options: dict) -> None:
    """The parts as one annotation file, ids counted through."""
    images, annotations = [], []
    width, height = options["size"]
    for job in jobs:
        number = job.number + 1
        images.append({"id": number, "file_name": job.image.name, "width": width, "height": height})
        for record in read_json(job.part):
            annotations.append(record | {"id": len(annotations) + 1, "image_id": number})
    content = {
        "info": {"description": "wbkit synthetic people", "version": "1.0", "options": json.dumps(options)},
        "licenses": [
            {"id": 1, "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}
        ],
        "images": images,
        "annotations": annotations,
        "categories": CATEGORIES,
    }
    write_json(out / "annotations" / f"coco_wholebody_{split}_v1.0.json", content)


def run(arguments: argparse.Namespace) -> None:
    """`wbkit synth` with parsed options."""
    a = arguments
    path = generate(a.out, a.pictures, a.seed, a.workers, a.size, a.val, mix=a.mix)
    print(f"{a.pictures + a.val} pictures in {a.out}; annotations: {path}")
