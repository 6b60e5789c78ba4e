"""The reference evaluator of COCO-WholeBody, xtcocotools, to compare with and nothing else."""

from __future__ import annotations

import contextlib
import copy
import io
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wbkit.columns import KEYPOINT_FIELDS, Annotations, Results
from wbkit.errors import InputError
from wbkit.files import read_json
from wbkit.keypoints import PARTS, SIGMAS
from wbkit.tables import PERSON_CATEGORY


def import_xtcocotools() -> tuple[type, type]:
    """xtcocotools' classes `COCO` and `COCOeval`.

    Raises:
        InputError: it is not installed, which is always so on Python 3.12 and later.
    """
    try:
        # xtcocotools' wheels were compiled for NumPy 1, and its _mask fails at import under NumPy 2.
        # It is used for segmentation only, and pycocotools' _mask is the same code compiled for NumPy 2.
        import pycocotools._mask

        sys.modules.setdefault("xtcocotools._mask", pycocotools._mask)
        from xtcocotools.coco import COCO
        from xtcocotools.cocoeval import COCOeval
    except ImportError as error:
        raise InputError(
            f"the reference evaluator xtcocotools cannot be imported ({error})",
            "Install xtcocotools==1.14.3 under Python 3.11 (it has no wheels for 3.12 and later), or use "
            "per_part_table, which gives the same numbers",
        ) from error
    return COCO, COCOeval


def reference_statistics(
    annotations: str | Path | dict, results: str | Path | Sequence[dict]
) -> dict[str, np.ndarray]:
    """xtcocotools' ten statistics of each part, called as MMPose's CocoWholeBodyMetric calls it.

    Args:
        annotations: a COCO-WholeBody annotation file's path or parsed content. Parts that no record has are
            filled with zeros here: xtcocotools wants them all.
        results: a results file's path or parsed content; the same.

    Returns:
        part -> (10,) float64: AP, AP50, AP75, APM, APL, AR, AR50, AR75, ARM, ARL; -1 where undefined.

    Raises:
        InputError: xtcocotools is missing, a file cannot be read, or columns are given instead of files.
    """
    coco_class, evaluator_class = import_xtcocotools()
    # It writes into what it is given (ids, areas, ignore flags, part scores), so it gets copies.
    annotations, results = _own_copy(annotations), _own_copy(results)
    annotations.setdefault("categories", [{"id": PERSON_CATEGORY, "name": "person"}])
    statistics = {}
    for records in (annotations["annotations"], results):
        _fill_absent_parts(records)
    with _quiet():
        truth = coco_class("annotations", ann_data=annotations)
        predictions = truth.loadRes(list(results))
        for part, points in PARTS.items():
            evaluator = evaluator_class(
                truth, predictions, f"keypoints_{part}", SIGMAS[points], use_area=True
            )
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
            statistics[part] = np.array(evaluator.stats, np.float64)
    return statistics


def _own_copy(source: Any) -> Any:
    if isinstance(source, (str, Path)):
        return read_json(source)
    if isinstance(source, (Annotations, Results)):
        raise InputError(
            f"the reference cannot read {type(source).__name__} columns",
            "Give the path or the parsed content of the file that they were loaded from",
        )
    return copy.deepcopy(source)


def _fill_absent_parts(records: Sequence[dict]) -> None:
    for field, part in KEYPOINT_FIELDS.items():
        if not any(field in record for record in records):
            for record in records:
                record[field] = [0.0] * 3 * (part.stop - part.start)


@contextlib.contextmanager
def _quiet():
    """Without the evaluator's progress and tables, and its note that optional part scores are missing."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'.*_score' not found", category=UserWarning)
        yield
