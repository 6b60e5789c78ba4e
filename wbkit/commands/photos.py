"""Which pictures `wbkit predict` reads, whose boxes it looks into, where its results go."""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np

from wbkit.annotations import load_annotations, load_detections
from wbkit.errors import InputError
from wbkit.files import read_json, require_writable

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
        dropped: how many of its boxes had too low a score.
    """

    path: Path
    image_id: int
    boxes_xywh: np.ndarray | None
    box_scores: np.ndarray | None
    name: str
    drawing: str
    dropped: int = 0


def list_photos(
    images: list[Path],
    boxes_file: Path | None = None,
    min_box_score: float = 0.0,
    annotations: Path | None = None,
) -> list[Photo]:
    """Pictures with their ids and boxes; a folder stands for the pictures in it.

    The id is that of the picture's name in `annotations`, or in `boxes_file` if that is such a file; without,
    the number that the name consists of if all names are numbers, each another one (as in COCO); else the
    running number from 1.

    Raises:
        InputError: a picture is missing, named twice or not in `annotations`, a folder has none, or the boxes
            do not fit.
    """
    paths = [path for given in images for path in _pictures_of(given)]
    twice = [path for path, times in Counter(path.resolve() for path in paths).items() if times > 1]
    if twice:
        raise InputError("is named twice", "Leave one away", file=twice[0])
    content = read_json(boxes_file) if boxes_file else None
    if not annotations and _is_annotations(content):
        annotations = boxes_file
    image_ids = ids_by_name(paths, annotations) if annotations else _numbers(paths)
    found: list[np.ndarray | None] = [None] * len(paths)
    if boxes_file:
        found = _boxes_of(paths, image_ids, boxes_file, content, annotations)
    names = _names(paths)
    photos = []
    for path, image_id, name, boxes, drawing in zip(
        paths, image_ids, names, found, _drawings(paths), strict=True
    ):
        xywh, scores, dropped = None, None, 0
        if boxes is not None:
            sure = boxes[:, 4] >= min_box_score
            xywh, scores, dropped = boxes[sure, :4], boxes[sure, 4], int((~sure).sum())
        photos.append(Photo(path, image_id, xywh, scores, name, drawing, dropped))
    return photos


def _pictures_of(path: Path) -> list[Path]:
    try:
        if path.is_file():
            return [path]
        if not path.is_dir():
            raise InputError("there is no such picture", "Check the path", file=path)
        found = [p for p in sorted(path.iterdir()) if p.suffix.lower() in ENDINGS and p.is_file()]
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise InputError(problem, "Check its permissions", file=path) from error
    found = {p.resolve(): p for p in found if p.name[0] != "." and not p.name.endswith(DRAWING)}
    if not found:
        remedy = f"Pictures end in {' '.join(ENDINGS)}; folders below are not read"
        raise InputError("the folder has no pictures", remedy, file=path)
    return list(found.values())  # a link and its picture are one


def passed_over(path: Path) -> str:
    """What of a folder is no picture by its name, in a line; "" for nothing, and for pictures."""
    others = [p for p in path.iterdir() if p.name[0] != "."] if path.is_dir() else []
    kinds = Counter(
        "folder" if p.is_dir() else p.suffix or "file without ending"
        for p in others
        if p.is_dir() or p.suffix.lower() not in ENDINGS
    )
    words = ", ".join(f"{times} {kind}" for kind, times in sorted(kinds.items()))
    return f"passed over in {path}: {words}\n" if words else ""


def _number(path: Path) -> int | None:
    """The number that a name consists of; longer ones than COCO's could be are names."""
    return int(path.stem) if path.stem.isdecimal() and len(path.stem) <= 15 else None


def _numbers(paths: list[Path]) -> list[int]:
    numbers = [_number(path) for path in paths]
    return numbers if None not in numbers and len({*numbers}) == len(paths) else [*range(1, len(paths) + 1)]


def _names(paths: list[Path]) -> list[str]:
    """File names; the path as it was given where two pictures have one name."""
    times = Counter(path.name for path in paths)
    return [path.name if times[path.name] == 1 else path.as_posix() for path in paths]


def ids_by_name(paths: list[Path], annotations: Path) -> list[int]:
    """The id of each picture in an annotation file, by file name, and by folders where two have one name.

    Raises:
        InputError: a picture is not there, there more than once, or the same as another one.
    """
    known = load_annotations(annotations)
    listed: dict[str, list[tuple[str, int]]] = {}
    for name, image_id in zip(known.file_names.tolist(), known.image_ids.tolist(), strict=True):
        listed.setdefault(Path(name).name, []).append((f"/{name}", image_id))
    ids: dict[int, None] = {}
    for path in paths:
        same = listed.get(path.name, [])
        here = [pair for pair in same if path.resolve().as_posix().endswith(pair[0])]
        found = same if len(same) == 1 else here
        if len(found) != 1:
            problem = f"has {'more than one' if same else 'no'} picture {path.name}, and none is {path}"
            raise InputError(problem, "Give the file that lists these pictures", file=annotations)
        if found[0][1] in ids:
            problem = f"lists one picture {path.name}, and two of that name were given"
            raise InputError(problem, "Leave one away", file=annotations)
        ids[found[0][1]] = None
    return list(ids)


def _drawings(paths: list[Path]) -> list[str]:
    """A file name for each drawing: the picture's, with its ending or a number where that was taken."""
    taken: dict[str, None] = {}
    for path in paths:
        tries = chain((path.stem, path.name), (f"{path.stem}-{i}" for i in count(2)))
        taken[next(stem for stem in tries if stem not in taken)] = None
    return [f"{stem}{DRAWING}" for stem in taken]


_ADD = 'Add {{"{name}": [[x, y, width, height]]}} ([] for nobody), or leave --boxes away to look for people'
_NAME = "Name pictures by their ids, or say with --annotations which picture has which id"


def _boxes_of(
    paths: list[Path], image_ids: list[int], boxes_file: Path, content: object, annotations: Path | None
) -> list[np.ndarray]:
    """(n, 5) x, y, width, height, score for every picture.

    A mapping is looked up by name, an annotation file by the names in it; a detection file, which has no
    names, by the ids of `annotations` (who is not in it has nobody) or by the number in the name. `content`
    is the file's.
    """
    if _is_annotations(content):
        keys, boxes = ids_by_name(paths, boxes_file), _labelled_boxes(boxes_file)
    elif isinstance(content, dict):
        keys = _names(paths)
        boxes = {name: _named_boxes(name, rows, boxes_file) for name, rows in content.items()}
    else:
        keys = image_ids if annotations else [_number(path) for path in paths]
        boxes = _detected_boxes(boxes_file)
        if annotations and any(image_id in boxes for image_id in image_ids):
            boxes = {image_id: np.zeros((0, 5)) for image_id in image_ids} | boxes
    for key, name in zip(keys, _names(paths), strict=True):
        if key not in boxes:
            others = [key for key in boxes if isinstance(key, str) and key not in _names(paths)]
            raise InputError(
                f"has no boxes for {name}" + "".join(f", but for {other!r}" for other in others[:1]),
                _ADD.format(name=name) if isinstance(content, dict) else _NAME,
                file=boxes_file,
            )
    return [boxes[key] for key in keys]


def frame_boxes(boxes_file: Path) -> dict[int, np.ndarray]:
    """Boxes in a video: frame number from 1 -> (n, 5) x, y, width, height, score.

    Of a mapping with such numbers as keys, or of a detection or annotation file whose image ids they are.

    Raises:
        InputError: it is none of these, or a box is not five numbers.
    """
    content = read_json(boxes_file)
    if _is_annotations(content):
        boxes = _labelled_boxes(boxes_file)
    elif not isinstance(content, dict):
        boxes = _detected_boxes(boxes_file)
    else:
        boxes = {key: _named_boxes(key, rows, boxes_file) for key, rows in content.items()}
    wrong = [key for key in boxes if not str(key).isdecimal() or int(key) < 1]
    if wrong:
        remedy = 'For a video write {"1": [[x, y, width, height]]}, frames counted from 1'
        raise InputError(f"{wrong[0]!r} is no frame's number", remedy, file=boxes_file)
    return {int(key): rows for key, rows in boxes.items()}


def _is_annotations(content: object) -> bool:
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def _labelled_boxes(path: Path) -> dict[int, np.ndarray]:
    """Ground truth's boxes, crowds left out, with score 1."""
    known = load_annotations(path)
    one = ~known.crowd
    rows = np.pad(known.boxes_xywh[one], ((0, 0), (0, 1)), constant_values=1)
    return {i: np.zeros((0, 5)) for i in known.image_ids.tolist()} | _by_image(
        known.person_image_ids[one], rows
    )


def _detected_boxes(path: Path) -> dict[int, np.ndarray]:
    found = load_detections(path)
    return _by_image(found.image_ids, np.column_stack([found.boxes_xywh, found.scores]))


def _by_image(image_ids: np.ndarray, rows: np.ndarray) -> dict[int, np.ndarray]:
    order = np.argsort(image_ids, kind="stable")
    ids, first = np.unique(image_ids[order], return_index=True)
    return dict(zip(ids.tolist(), np.split(rows[order], first[1:]), strict=True)) if len(rows) else {}


def _named_boxes(name: str, rows: object, path: Path) -> np.ndarray:
    """The boxes of one picture, with score 1 where none is given: (n, 5)."""
    boxes = []
    for i, row in enumerate(rows if isinstance(rows, list) else [rows]):
        fits = isinstance(row, list) and len(row) in (4, 5)
        fits = fits and (len(row) == 4 or (isinstance(row[4], (int, float)) and 0 <= row[4] <= 1))
        if not fits or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in row):
            remedy = 'Write {"photo.jpg": [[x, y, width, height], ...]}; a fifth number is the score, 0 to 1'
            raise InputError(f"is {row!s:.60}", remedy, file=path, record=f"box {i} of {name}")
        boxes.append([*row, 1.0][:5])
    return np.array(boxes, float).reshape(-1, 5)


def results_place(out: Path, photos: list[Photo]) -> Path:
    """The results file: `out`, or results.json in it if that is a folder. It can be written, as of now.

    Raises:
        InputError: it cannot, its name ends in neither .json nor .csv, or a drawing beside it would replace a
            picture.
    """
    if os.path.isdir(out) or not out.suffix:
        out = out / "results.json"
    if out.suffix.lower() not in (".json", ".csv"):
        problem = f"results are not written as {out.suffix}"
        raise InputError(problem, "Let --out end in .json or .csv, or give a folder that exists", file=out)
    sources = {photo.path.resolve() for photo in photos}
    for photo in photos:
        if (out.parent / photo.drawing).resolve() in sources:
            problem = f"the drawing of {photo.path} would replace the picture {photo.drawing}"
            raise InputError(problem, "Give another folder with --out, or no drawings as pictures", file=out)
    require_writable(out)
    return out
