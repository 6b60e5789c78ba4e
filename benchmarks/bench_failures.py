"""Speed and memory of the failure analysis on a problem of val2017's size, against the limits set for it.

python -m benchmarks.bench_failures [--pictures 5000] [--resamples 200]

The labels are those of the embedded set, drawn 2.2 times a picture; 58 % keep them, as in COCO-WholeBody val.
Each person is predicted with errors, and there are two detections more for each: duplicates and false alarms.
The limits are for this size and two cores; the exit status is 1 if one is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.worker import peak_mb
from wbkit.annotations import load_annotations
from wbkit.columns import Annotations, Results, body_extent_areas
from wbkit.failures import analyse, ap_cost, ap_intervals, compare, keypoint_table
from wbkit.keypoints import FLIP_INDICES

EMBEDDED = Path(__file__).resolve().parent.parent / "data" / "wholebody-mini" / "annotations"
PERSONS_A_PICTURE, LABELLED_SHARE, DETECTIONS_A_PERSON = 2.2, 0.5775, 3
LIMITS = {
    "table, causes and costs, s": 30.0,
    "table, causes and costs, peak MB": 2048.0,
    "resamples of the six APs, s": 60.0,
    "resamples of every cause, s": 600.0,
}
"""What may be taken at most, with 5,000 pictures and 200 resamples."""


def make_labels(pictures: int, rng: np.random.Generator) -> Annotations:
    """The embedded people drawn again, moved about, in pictures of 640 x 480."""
    mini = load_annotations(EMBEDDED / "coco_wholebody_train_v1.0.json")
    persons = round(PERSONS_A_PICTURE * pictures)
    usable = np.flatnonzero(~mini.crowd & (mini.keypoints[..., 2] > 0).any(1))
    who = rng.choice(usable, persons)
    keypoints, shift = mini.keypoints[who].copy(), rng.uniform(-100, 150, (persons, 1, 2))
    keypoints[..., :2] += shift
    keypoints[rng.permutation(persons)[round(LABELLED_SHARE * persons) :], :, 2] = 0
    images = np.arange(1, pictures + 1)
    boxes = mini.boxes_xywh[who].copy()
    boxes[:, :2] += shift[:, 0]
    return Annotations(
        source="benchmark",
        image_ids=images,
        file_names=np.array([f"{i:012d}.jpg" for i in images]),
        image_sizes_wh=np.tile([640, 480], (pictures, 1)),
        ids=np.arange(1, persons + 1),
        person_image_ids=np.sort(rng.choice(images, persons)),
        keypoints=keypoints,
        boxes_xywh=boxes,
        areas=mini.areas[who],
        crowd=np.zeros(persons, bool),
        num_keypoints=(keypoints[:, :17, 2] > 0).sum(1),
        valid=mini.valid[who],
        part_boxes_xywh=mini.part_boxes_xywh[who],
    )


def make_results(
    truth: Annotations,
    rng: np.random.Generator,
    noise: float = 0.02,
    detections_a_person: int = DETECTIONS_A_PERSON,
) -> Results:
    """One good detection for each person and poor ones beside it, scored roughly in this order."""
    persons = len(truth)
    count = detections_a_person * persons
    source = np.concatenate([np.arange(persons), rng.integers(0, persons, count - persons)])
    first = np.arange(count) < persons
    size = np.sqrt(truth.areas[source])[:, None]
    spread = rng.gamma(1.0, noise, (count, 133)) * size * np.where(first, 1, 3)[:, None]
    keypoints = truth.keypoints[source].copy()
    keypoints[..., :2] += rng.normal(size=(count, 133, 2)) * spread[..., None]
    inverted = rng.random((count, 133, 1)) < 0.02
    keypoints[..., :2] = np.where(inverted, keypoints[:, FLIP_INDICES, :2], keypoints[..., :2])
    stray = rng.random(count) < np.where(first, 0.03, 0.3)
    keypoints[stray, :, :2] += rng.uniform(-200, 200, (stray.sum(), 1, 2))
    keypoints[..., 2] = np.maximum(rng.random((count, 133)) * np.exp(-5 * spread / size), 0.001)
    scores = keypoints[..., 2].mean(1) * rng.uniform(0.5, 1, count) * np.where(first, 1, 0.4)
    return Results(
        source="benchmark",
        image_ids=truth.person_image_ids[source],
        keypoints=keypoints,
        scores=scores,
        areas=body_extent_areas(keypoints),
        part_scores=np.repeat(scores[:, None], 5, axis=1),
        boxes_xywh=np.full((count, 4), np.nan),
        box_scores=np.full(count, np.nan),
        ids=np.full(count, -1),
    )


def _timed(name: str, run: Callable[[], object]) -> tuple[object, float, float]:
    """Run, and print wall time, CPU time and the process's peak memory so far.

    Returns:
        What it returned, wall time in s, peak in MB.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    value = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = peak_mb()
    print(f"{name:42} {wall:7.1f} s, {cpu:6.1f} s of CPU, peak {peak:5.0f} MB", flush=True)
    return value, wall, peak


def judge(taken: dict[str, float]) -> list[tuple[str, float, float, bool]]:
    """Name, taken, limit, reached, for each of `LIMITS` that was measured."""
    return [
        (name, taken[name], limit, taken[name] <= limit) for name, limit in LIMITS.items() if name in taken
    ]


def measure(pictures: int = 5000, resamples: int = 200, all_causes: bool = True) -> dict[str, float]:
    """Print what each step takes; return what `LIMITS` limit."""
    rng = np.random.default_rng(0)
    truth = make_labels(pictures, rng)
    results, other = make_results(truth, rng), make_results(truth, rng, 0.018)
    analysis, first, _ = _timed("pairs and causes", lambda: analyse(truth, results))
    people, detections = len(analysis.pairs.persons), len(results)
    name = f"table ({133 * people} rows, {detections} detections)"
    table, second, _ = _timed(name, lambda: keypoint_table(analysis))
    _, third, peak = _timed("costs of 15 repairs in 6 parts", lambda: ap_cost(analysis))
    del table
    _, six, _ = _timed(f"{resamples} resamples of 6 APs", lambda: ap_intervals(analysis, resamples=resamples))
    _timed("comparison of two models", lambda: compare(analysis, analyse(truth, other), resamples=resamples))
    taken = dict(zip(LIMITS, (first + second + third, peak, six), strict=False))
    if all_causes:
        name = f"{resamples} resamples of every cost"
        taken["resamples of every cause, s"] = _timed(name, lambda: ap_cost(analysis, resamples=resamples))[1]
    return taken


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--resamples", type=int, default=200)
    options = parser.parse_args(arguments)
    verdicts = judge(measure(options.pictures, options.resamples))
    print(f"\nLimits for 5000 pictures and 200 resamples (here {options.pictures} and {options.resamples}):")
    for name, taken, limit, reached in verdicts:
        print(f"{name:42} {taken:7.1f} of {limit:6.0f}  {'reached' if reached else 'MISSED'}")
    return 0 if all(reached for *_, reached in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
