"""Examples of classes about whole persons or points without labels; planted where none occurs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from wbkit.columns import Results
from wbkit.errors import InputError
from wbkit.failures.analysis import Analysis, analyse
from wbkit.failures.classes import CODES, PART_SLICES
from wbkit.failures.persons import VERDICTS, detection_verdicts, duplicates_of, person_table

EXAMPLE_CLASSES = ("hallucinated", "scoring", "duplicate", "background")
"""Classes that `example_of` knows; `wbkit.plots.show_causes` shows those of labelled keypoints."""
_HOSTS = 30  # so many persons are tried, the largest first


@dataclass(frozen=True, eq=False)
class Example:
    """Where to see a class.

    Attributes:
        name: of the class. planted: whether it was put there because it does not occur.
        analysis: the one it is in; where planted, of that picture with the planted detection.
        image_id: the picture.
        person: row of `analysis.pairs.persons` that it is about, -1 for nobody (background).
        detection: index into `analysis.results`: the hallucinating, the rival, the second, the one on nobody.
        part: hallucinated only: the part without labels; "" else.
    """

    name: str
    planted: bool
    analysis: Analysis
    image_id: int
    person: int
    detection: int
    part: str = ""


def example_of(analysis: Analysis, name: str) -> Example | None:
    """The clearest example of a class, or a planted one where the class does not occur.

    hallucinated: the part with most hallucinated points, of equals of the largest person. scoring: the rival
    whose OKS falls short most. duplicate and background: the highest score; of duplicates, those first that
    are no scoring error as well. Planted ones are about one of the largest found persons, whole bodies first:
    its own detection once more, moved by an eighth of its size, with a lower score (duplicate) or a higher
    one (scoring); moved away from everybody (background); or with another person's part on its trunk
    (hallucinated).

    Returns:
        None if the class neither occurs nor can be planted (nobody was found).

    Raises:
        InputError: not one of `EXAMPLE_CLASSES`.
    """
    if name not in EXAMPLE_CLASSES:
        raise InputError(f"there is no example of {name!r}", f"Choose one of {', '.join(EXAMPLE_CLASSES)}")
    found = _found(analysis, name)
    if found is not None:
        return found
    for person, added in _plants(analysis, name):
        image_id = _image_of(analysis, person)
        others = np.flatnonzero(analysis.results.image_ids == image_id)
        kept = others[others != analysis.pairs.detections[person]] if name == "hallucinated" else others
        results = _joined(analysis.results.select(kept), added)
        alone = analyse(analysis.annotations.select_images(np.array([image_id])), results)
        planted = _found(alone, name)
        if planted is not None and planted.detection == len(kept):
            return replace(planted, planted=True)
    return None


def _image_of(analysis: Analysis, person: int) -> int:
    return int(analysis.annotations.person_image_ids[analysis.pairs.persons[person]])


def _found(analysis: Analysis, name: str) -> Example | None:
    """The clearest example that occurs."""
    ways = dict(zip(EXAMPLE_CLASSES, (_hallucinated, _scoring, _duplicate, _background), strict=True))
    return ways[name](analysis)


def _hallucinated(analysis: Analysis) -> Example | None:
    pairs, best = analysis.pairs, None
    wrong = analysis.classes.causes == CODES["hallucinated"]  # (P, 133)
    for part, points in PART_SLICES.items():
        empty = ~pairs.labelled[:, points].any(1) & pairs.found
        count = np.where(empty, wrong[:, points].sum(1), 0)
        for person in np.flatnonzero(count):
            rank = (count[person], pairs.areas[person])
            if best is None or rank > best[0]:
                best = rank, int(person), part
    if best is None:
        return None
    _, person, part = best
    detection = int(pairs.detections[person])
    return Example("hallucinated", False, analysis, _image_of(analysis, person), person, detection, part)


def _scoring(analysis: Analysis) -> Example | None:
    table = person_table(analysis)
    short = (table["oks"] - table["rival_oks"]).to_numpy()
    wrong = table["scoring_error"].to_numpy()
    if not wrong.any():
        return None
    person = int(np.argmax(np.where(wrong, short, -np.inf)))
    rival = int(table["rival"].iloc[person])
    return Example("scoring", False, analysis, _image_of(analysis, person), person, rival)


def _duplicate(analysis: Analysis) -> Example | None:
    others, rows, _, beats = duplicates_of(analysis.pairs)
    if not others.size:
        return None
    best = np.lexsort((analysis.results.scores[others], ~beats))[-1]  # those that beat nobody go first
    person = int(rows[best])
    return Example("duplicate", False, analysis, _image_of(analysis, person), person, int(others[best]))


def _background(analysis: Analysis) -> Example | None:
    here = np.flatnonzero(detection_verdicts(analysis.pairs)[0] == VERDICTS.index("background"))
    if not here.size:
        return None
    detection = int(here[np.argmax(analysis.results.scores[here])])
    return Example("background", False, analysis, int(analysis.results.image_ids[detection]), -1, detection)


def _plants(analysis: Analysis, name: str) -> Iterator[tuple[int, Results]]:
    """Persons, the largest first, each with a detection that may become an example."""
    pairs = analysis.pairs
    found = np.flatnonzero(pairs.found)
    whole = pairs.labelled[found, :17].all(1)  # a whole body shows best what is meant
    for person in found[np.lexsort((-pairs.areas[found], ~whole))][:_HOSTS]:
        own = analysis.results.select(pairs.detections[person : person + 1])
        side = float(np.sqrt(pairs.areas[person]))
        if name == "hallucinated":
            if (points := _with_foreign_part(analysis, person, own)) is not None:
                yield int(person), replace(own, keypoints=points)
            continue
        ways = [(side / 8, side / 8)]
        if name == "background":
            width, height = np.ptp(own.keypoints[0, :17, :2], axis=0)
            ways = [(sign * far * width, 0.0) for far in (1.5, 2.5, 4) for sign in (1, -1)]
            ways += [(0.0, -1.5 * height), (0.0, 1.5 * height)]
        factor = {"scoring": 1.1, "duplicate": 0.9, "background": 0.5}[name]
        for way in ways:
            moved = own.keypoints + np.array([*way, 0.0])
            score = {"scores": own.scores * factor, "part_scores": own.part_scores * factor}
            inside = _inside(analysis, _image_of(analysis, person), moved[0, :17, :2])
            if name != "background" or inside:
                boxes = own.boxes_xywh + np.array([*way, 0.0, 0.0])
                yield int(person), replace(own, keypoints=moved, boxes_xywh=boxes, **score)


def _inside(analysis: Analysis, image_id: int, points: np.ndarray) -> bool:
    truth = analysis.annotations
    size = truth.image_sizes_wh[truth.image_ids == image_id][0]
    return bool(((points >= 0) & (points < size)).all())


def _with_foreign_part(analysis: Analysis, person: int, own: Results) -> np.ndarray | None:
    """(1, 133, 3): a person's keypoints, and in a part without labels somebody else's labels of it."""
    pairs = analysis.pairs
    trunk = pairs.truth[person, :17, :2][pairs.labelled[person, :17]]
    for points in [PART_SLICES[n] for n in ("lefthand", "righthand", "face", "foot")]:
        givers = np.flatnonzero(pairs.labelled[:, points].all(1) & (pairs.areas > 0))
        if pairs.labelled[person, points].any() or not len(givers) or not len(trunk):
            continue
        giver = givers[np.argmax(pairs.areas[givers])]
        shape = pairs.truth[giver, points, :2]
        scale = np.sqrt(pairs.areas[person] / pairs.areas[giver])
        keypoints = own.keypoints.copy()
        keypoints[0, points, :2] = trunk.mean(0) + scale * (shape - shape.mean(0))
        keypoints[0, points, 2] = 1.0
        return keypoints
    return None


def _joined(first: Results, second: Results) -> Results:
    names = [f.name for f in fields(first) if f.name not in ("source", "file_names")]
    columns = {n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in names}
    return replace(first, **columns, file_names=None)
