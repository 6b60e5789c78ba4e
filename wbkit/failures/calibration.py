"""Do scores mean what they say: of keypoints, per part, and of whole persons."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wbkit.errors import InputError
from wbkit.failures.analysis import Analysis, AnnotationSource, ResultSource, analyse
from wbkit.failures.classes import GOOD_SIMILARITY, NEAR_SIMILARITY, PART_SLICES
from wbkit.failures.persons import VERDICTS, detection_verdicts

RIGHT_WHEN: dict[str, str] = {
    "near": f"ks >= {NEAR_SIMILARITY}: in the proximity of the label",
    "good": f"ks >= {GOOD_SIMILARITY}: within the annotators' margin",
    "similarity": "not right or wrong: the ks itself, in 0..1",
}
"""What a keypoint's score is compared with."""


def keypoint_calibration(table: pd.DataFrame, *, right: str = "near", bins: int = 10) -> pd.DataFrame:
    """Reliability of keypoint scores in each part: what share is right among points of about equal score.

    Args:
        table: of `keypoint_table`. Labelled keypoints with a prediction count: persons that were missed and
            parts that were left out have no score to judge.
        right: a key of `RIGHT_WHEN`.
        bins: equally wide bins of the scores over 0..1; scores outside count in the outermost ones.

    Returns:
        A row for each of the five parts and "wholebody" and each bin that holds anything: part (category),
        bin (int), low, high (edges), count, score (mean), right (mean), gap (score minus right: positive
        is overconfident).

    Raises:
        InputError: no such reading of "right", or no bins.
    """
    if right not in RIGHT_WHEN:
        raise InputError(f"there is no {right!r}", f"Choose one of {', '.join(RIGHT_WHEN)}")
    used = table[(table["v"] > 0) & table["error_px"].notna()]
    similarity = used["similarity"].to_numpy(np.float64)
    truth = {"near": similarity >= NEAR_SIMILARITY, "good": similarity >= GOOD_SIMILARITY}
    values = truth.get(right, similarity).astype(float)
    names = [*PART_SLICES, "wholebody"]
    rows = []
    for part in names:
        here = np.ones(len(used), bool) if part == "wholebody" else (used["part"] == part).to_numpy()
        rows.append(
            _reliability(used["score"].to_numpy(np.float64)[here], values[here], bins).assign(part=part)
        )
    return _part_first(rows, names)


def instance_calibration(
    annotations: AnnotationSource | Analysis, results: ResultSource | None = None, *, bins: int = 10
) -> pd.DataFrame:
    """Reliability of persons' scores: their mean against the mean OKS, in bins of equally many detections.

    A person's score ranks detections in AP; an ideal one is the OKS that the detection reaches. Assigned
    detections count with the OKS of their pair (`pair_up`), duplicates and background with 0; ignored and
    not evaluated ones are left out.

    Returns:
        A row for each bin: bin (int), low, high (lowest and highest score), count, score (mean), right (mean
        OKS), gap, assigned (share). Scores need not lie in 0..1.

    Raises:
        InputError: as `analyse`, or no bins.
    """
    pairs = analyse(annotations, results).pairs
    verdicts = detection_verdicts(pairs)[0]
    reached = np.zeros(len(pairs.results))
    reached[pairs.detections[pairs.found]] = pairs.oks[pairs.found]
    used = np.isin(verdicts, [VERDICTS.index(v) for v in ("assigned", "duplicate", "background")])
    scores, reached, assigned = pairs.results.scores[used], reached[used], verdicts[used] == 0
    _require_bins(bins)
    order = np.argsort(scores, kind="stable")
    rows = []
    for index, chunk in enumerate(np.array_split(order, bins)):
        if len(chunk):
            ends = {"low": scores[chunk[0]], "high": scores[chunk[-1]], "count": len(chunk)}
            means = {"score": scores[chunk].mean(), "right": reached[chunk].mean()}
            rows.append({"bin": index, **ends, **means, "assigned": assigned[chunk].mean()})
    columns = ["bin", "low", "high", "count", "score", "right", "assigned"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(6, "gap", table["score"] - table["right"])
    return table


def expected_calibration_error(reliability: pd.DataFrame) -> pd.Series:
    """ECE of each part: the mean |gap| of the bins weighted by their counts (Guo et al., ICML 2017).

    Args:
        reliability: of `keypoint_calibration`, or of `instance_calibration` (then one value, "person").
    """
    part = (
        reliability["part"].astype(str) if "part" in reliability else pd.Series("person", reliability.index)
    )
    weighted = (reliability["gap"].abs() * reliability["count"]).groupby(part, sort=False).sum()
    return (weighted / reliability["count"].groupby(part, sort=False).sum()).rename("ece").rename_axis("part")


def _require_bins(bins: int) -> None:
    if bins < 1:
        raise InputError(f"{bins} bins", "Give 1 or more; 10 is usual")


def _reliability(scores: np.ndarray, values: np.ndarray, bins: int) -> pd.DataFrame:
    _require_bins(bins)
    edges = np.linspace(0, 1, bins + 1)
    # Scores are float32 in the table: a score of .9 must not fall below an edge of .9.
    index = np.searchsorted(edges.astype(np.float32), scores.astype(np.float32), side="right") - 1
    index = np.clip(index, 0, bins - 1)
    data = pd.DataFrame({"bin": index, "score": scores, "right": values})
    table = data.groupby("bin").agg(count=("score", "size"), score=("score", "mean"), right=("right", "mean"))
    table = table.reset_index()
    table.insert(1, "low", edges[table["bin"].to_numpy()])
    table.insert(2, "high", edges[table["bin"].to_numpy() + 1])
    return table.assign(gap=table["score"] - table["right"])


def _part_first(rows: list[pd.DataFrame], names: list[str]) -> pd.DataFrame:
    table = pd.concat(rows, ignore_index=True)
    table.insert(0, "part", pd.Categorical(table.pop("part"), categories=names))
    return table
