"""The start of every analysis: persons paired with detections, and the cause of each keypoint's error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wbkit.annotations import load_annotations, load_results
from wbkit.columns import Annotations, Results
from wbkit.errors import InputError
from wbkit.failures.causes import Classes, classify
from wbkit.failures.pairs import Pairs, pair_up

AnnotationSource = str | Path | dict | Annotations
ResultSource = str | Path | Sequence[dict] | Results


@dataclass(frozen=True, eq=False)
class Analysis:
    """One results file against its labels: `pairs`, `classes`, and the two files' columns.

    Every function of `wbkit.failures` takes one in place of the two files, so that the pairing and the
    classes are computed once.
    """

    pairs: Pairs
    classes: Classes

    @property
    def annotations(self) -> Annotations:
        """The labels."""
        return self.pairs.annotations

    @property
    def results(self) -> Results:
        """The detections."""
        return self.pairs.results


def analyse(annotations: AnnotationSource | Analysis, results: ResultSource | None = None) -> Analysis:
    """Pair persons with detections and classify every keypoint; an Analysis is given back as it is.

    Args:
        annotations: a COCO-WholeBody annotation file: path, parsed content or columns; or an Analysis.
        results: a results file of any model: path, parsed content or columns; not with an Analysis.

    Raises:
        InputError: a file cannot be used, a result names a picture that the annotations lack, or the
            results are missing.
    """
    if isinstance(annotations, Analysis):
        return annotations
    if results is None:
        raise InputError("no results were given", "Give annotations and results, or an Analysis")
    pairs = pair_up(load_annotations(annotations), load_results(results))
    return Analysis(pairs, classify(pairs))
