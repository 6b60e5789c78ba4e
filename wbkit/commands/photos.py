"""Which pictures `wbkit predict` reads, whose boxes it looks into, where its results go."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wbkit.annotations import load_annotations, load_detections
from wbkit.errors import InputError
from wbkit.files import atomic_write, read_json

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")  # of pictures, in a folder
DRAWING = ".pose.jpg"  # what drawings' names end in, so that they are not taken for pictures


@dataclass(frozen=True)
class Photo:
    """A picture to predict.

    Attributes:
        path: where it lies.
        image_id: its number in the results.
        boxes_xywh: (n, 4) image px, or None: look for people.
        box_scores: (n,), or None.
        name: what the results call it: its file name, or the path where two have the same name.
        drawing: the file name of its drawing.
    """

    path: Path
    image_id: int
    boxes_xywh: np.ndarray | None
    box_scores: np.ndarray | None
    name: str
    drawing: str


def list_photos(
    images: list[Path],
    boxes_file: Path | None = None,
    min_box_score: float = 0.0,
    annotations: Path | None = None,
) -> list[Photo]:
    """Pictures with their ids and boxes; a folder stands for the pictures in it.

    The id is that of the picture's name in `annotations`; without, the number that the name consists of if
    all names do (as in COCO); else the running number from 1.

    Raises:
        InputError: a picture is missing, named twice or not in `annotations`, a folder has none, or the boxes
            do not fit.
    """
    paths = [path for given in images for path in _pictures_of(given)]
    twice = [path for path, count in Counter(path.resolve() for path in paths).items() if count > 1]
    if twice:
        raise InputError("is named twice", "Leave one away", file=twice[0])
    image_ids = _image_ids(paths, annotations)
    boxes = read_boxes(boxes_file) if boxes_file else {}
    names = Counter(path.name for path in paths)
    photos = []
    for path, image_id, drawing in zip(paths, image_ids, _drawings(paths), strict=True):
        name = path.name if names[path.name] == 1 else path.as_posix()
        number = image_id if annotations else int(path.stem) if path.stem.isdecimal() else None
        found = boxes.get(name, boxes.get(number))
        if boxes_file and found is None:
            raise InputError(
                f"has no boxes for {name}",
                f'Add {{"{name}": [[x, y, width, height]]}} ([] if nobody is there), or leave --boxes '
                "away to look for people",
                file=boxes_file,
            )
        found = None if found is None else found[found[:, 4] >= min_box_score]
        xywh, scores = (None, None) if found is None else (found[:, :4], found[:, 4])
        photos.append(Photo(path, image_id, xywh, scores, name, drawing))
    return photos


def _pictures_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError("there is no such picture", "Check the path", file=path)
    found = [p for p in sorted(path.iterdir()) if p.suffix.lower() in ENDINGS and p.name[0] != "."]
    found = [p for p in found if not p.name.endswith(DRAWING)]
    if not found:
        raise InputError(
            "the folder has no pictures",
            f"Pictures end in {' '.join(ENDINGS)}; folders below are not read",
            file=path,
        )
    return found


def _image_ids(paths: list[Path], annotations: Path | None) -> list[int]:
    if annotations is None:
        numbers = [int(path.stem) for path in paths if path.stem.isdecimal()]
        return numbers if len({*numbers}) == len(paths) else list(range(1, len(paths) + 1))
    known = load_annotations(annotations)
    ids = dict(zip([Path(name).name for name in known.file_names], known.image_ids.tolist(), strict=True))
    strangers = [path.name for path in paths if path.name not in ids]
    if strangers:
        problem = f"{len(strangers)} of {len(paths)} pictures are not in it, the first is {strangers[0]}"
        raise InputError(problem, "Give the file that lists these pictures", file=annotations)
    return [ids[path.name] for path in paths]


def _drawings(paths: list[Path]) -> Iterator[str]:
    """A file name for each drawing: the picture's, with its ending or a number where that was taken."""
    taken: set[str] = set()
    for i, path in enumerate(paths, 1):
        stem = next(s for s in (path.stem, path.name, f"{path.stem}-{i}") if s not in taken)
        taken.add(stem)
        yield f"{stem}{DRAWING}"


def read_boxes(path: Path) -> dict[str | int, np.ndarray]:
    """Boxes file -> (n, 5) x, y, width, height, score for every file name or image id.

    Raises:
        InputError: neither a mapping of file names to boxes, nor a COCO detection list or annotation file.
    """
    content = read_json(path)
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        known = load_annotations(path)
        return {
            i: np.pad(known.boxes_xywh[known.person_image_ids == i], ((0, 0), (0, 1)), constant_values=1)
            for i in known.image_ids.tolist()
        }
    if isinstance(content, dict):
        return {name: _named_boxes(name, rows, path) for name, rows in content.items()}
    found = load_detections(path)
    order = np.argsort(found.image_ids, kind="stable")
    image_ids, first = np.unique(found.image_ids[order], return_index=True)
    rows = np.column_stack([found.boxes_xywh, found.scores])[order]  # (M, 5)
    return dict(zip(image_ids.tolist(), np.split(rows, first[1:]), strict=True)) if len(rows) else {}


def _named_boxes(name: str, rows: object, path: Path) -> np.ndarray:
    """The boxes of one picture, with score 1 where none is given: (n, 5)."""
    boxes = []
    for i, row in enumerate(rows if isinstance(rows, list) else [rows]):
        fits = isinstance(row, list) and len(row) in (4, 5)
        if not fits or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in row):
            remedy = 'Write {"photo.jpg": [[x, y, width, height], ...]}; a fifth number is the score'
            raise InputError(f"is {row!s:.60}", remedy, file=path, record=f"box {i} of {name}")
        boxes.append([*row, 1.0][:5])
    return np.array(boxes, float).reshape(-1, 5)


def results_place(out: Path) -> Path:
    """The results file: `out`, or results.json in it if that is a folder. It can be written, as of now.

    Raises:
        InputError: it cannot, or its name ends in neither .json nor .csv.
    """
    if out.is_dir() or not out.suffix:
        out = out / "results.json"
    if out.suffix.lower() not in (".json", ".csv"):
        problem = f"results are not written as {out.suffix}"
        raise InputError(problem, "Let --out end in .json or .csv, or give a folder", file=out)
    with atomic_write(out.with_name(f".{out.name}.trial")) as trial:
        trial.touch()
    out.with_name(f".{out.name}.trial").unlink()
    return out
