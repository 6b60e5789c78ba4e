"""All figures of a failure analysis, one after the other, each with a caption that says how to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from wbkit import plots
from wbkit.failure_report.collect import Findings, one_slicing
from wbkit.failures import CONFUSION_PARTS, SLICINGS, confusion_matrix
from wbkit.keypoints import PARTS

SLICINGS_DRAWN = (
    "size", "part_size", "visibility", "occlusion", "crowding", "overlap", "truncation", "score",
)  # fmt: skip
"""Slicings with a figure; the table "slices" holds all."""

TARGET_WORDS = {
    "truth": "repaired points lie on their labels",
    "margin": "repaired points come only as near as the next class, a jitter to ks .85, a miss to ks .5 "
    "(the correction of Ronchi & Perona)",
}
"""What a repair does, for each of `wbkit.failures.repairs.TARGETS`."""
SCORING_WORDS = (
    'the repair "scoring" makes each detection\'s score its OKS, so that it also tells what wrong ranking '
    'between persons costs, where the class of that name is about two detections of one; "good" is what '
    "the annotators' margin leaves"
)
"""What two repairs do that bear the names of classes."""

_SQUARES = {
    "face": ", by regions (the diagonal: on the mirrored point of the same region)",
    "hand": "s, left and right together",
}

_SLICED_AP = (
    "AP of the people in each slice; cut by: {title}. The others, and the detections assigned to them, are "
    "left out. AP also depends on how many people a slice holds, "
    "because a false alarm counts in every slice: compare models within a slice; AR, in the table, can be "
    "compared between slices."
)


@dataclass(frozen=True)
class Drawing:
    """One figure: `name` of its files, `caption` for readers, `table` that holds its numbers, `draw` it."""

    name: str
    caption: str
    table: str
    draw: Callable[[], Axes | list[Axes]]


def drawings(findings: Findings, names: tuple[str, str] = ("a", "b")) -> Iterator[Drawing]:
    """The figures that the findings allow, in the report's order.

    Args:
        names: what to call the two results files where they are compared.
    """
    yield from _causes(findings)
    yield from _keypoints(findings)
    yield from _cuts(findings)
    yield from _scores(findings)
    if findings.other is not None:
        yield from _comparison(findings, names)


def _causes(findings: Findings) -> Iterator[Drawing]:
    tables = findings.tables
    target, sure = TARGET_WORDS[findings.target], "AP_cost_low" in tables["costs"]
    yield Drawing(
        "causes",
        "Each bar holds all labelled keypoints of a part, divided by what became of them (numbers: percent).",
        "causes",
        lambda: plots.plot_causes(tables["causes"]),
    )
    yield Drawing(
        "costs",
        "AP that each part would gain if one cause alone were repaired and everything else stayed as it is; "
        f"{target}.{' Small: 95 % intervals.' if sure else ''}",
        "costs",
        lambda: plots.plot_costs(tables["costs"]),
    )
    for part in tables["waterfall"]["part"].unique():
        steps = tables["waterfall"][tables["waterfall"]["part"] == part].reset_index(drop=True)
        title = f"AP as the causes are repaired one after the other: {plots.words(part)}"
        whiskers = " Whiskers: 95 % intervals of the AP reached by then." if sure else ""
        upwards = "to 1: " if findings.target == "truth" else "upwards: "
        yield Drawing(
            f"waterfall_{part}",
            f"From the measured AP {upwards}causes repaired one after the other, in the order of Ronchi & "
            f"Perona; {target}.{whiskers}",
            "waterfall",
            lambda steps=steps, title=title: plots.plot_ap_waterfall(steps, title=title),
        )
    if len(tables["precision_recall"]):
        yield Drawing(
            "precision_recall",
            "Precision over recall in each part; the area below a curve is the AP at that OKS threshold.",
            "precision_recall",
            lambda: plots.plot_precision_recall_by_part(tables["precision_recall"]),
        )


def _keypoints(findings: Findings) -> Iterator[Drawing]:
    summary = findings.tables["keypoint_summary"]
    maps = {
        "error_person": ("median error / √(person's area)", "Size of the errors", True),
        "similarity": ("mean keypoint similarity", "What each keypoint adds to OKS", False),
    }
    for column, (label, title, high_is_bad) in maps.items():
        yield Drawing(
            f"body_map_{column}",
            f"{title}: the figure faces you, so its right side is on your left; dark and large is bad.",
            "keypoint_summary",
            lambda c=column, la=label, t=title, h=high_is_bad: plots.plot_body_map(
                summary[c], label=la, title=t, high_is_bad=h
            ),
        )
    yield Drawing(
        "jitter_clouds",
        "Where predictions lie around the label: in the full circle they are good, in the dashed one near; "
        "the cross is their median, so its distance from the middle is a bias.",
        "clouds",
        lambda: plots.plot_jitter_clouds(findings.keypoints),
    )
    yield Drawing(
        "confusions",
        "Keypoints that were predicted where another keypoint is, the most frequent first.",
        "confusions",
        lambda: plots.plot_confusions(findings.tables["confusions"]),
    )
    for part in CONFUSION_PARTS:
        square = confusion_matrix(findings.keypoints, part)
        if square.drop(columns="labelled").to_numpy().any():
            title = f"Predicted where another keypoint is: {'both hands' if part == 'hand' else part}"
            yield Drawing(
                f"confusions_{part}",
                f"Rows: labelled keypoints of the {part}{_SQUARES.get(part, '')}; columns: the keypoint "
                "whose place they were predicted at; numbers are keypoints, shades their share of the row. "
                "Points that lie on no other keypoint are in no field.",
                "confusion_matrices",
                lambda s=square, t=title: plots.plot_confusion_matrix(s, title=t),
            )


def _cuts(findings: Findings) -> Iterator[Drawing]:
    for by in SLICINGS_DRAWN:
        title = SLICINGS[by].title
        slices = one_slicing(findings.tables["slices"], by)
        if len(slices):
            yield Drawing(
                f"slices_{by}",
                "Mean keypoint similarity: official, and by the part's own size, which does not forgive "
                f"small parts; cut by: {title}.",
                "slices",
                lambda s=slices, t=title: plots.plot_slices(s, xlabel=t),
            )
        curves = one_slicing(findings.tables["sensitivity"], by)
        if len(curves):
            yield Drawing(
                f"sensitivity_{by}",
                _SLICED_AP.format(title=title),
                "sensitivity",
                lambda c=curves, t=title: plots.plot_sensitivity(c, xlabel=t),
            )


def _scores(findings: Findings) -> Iterator[Drawing]:
    tables = findings.tables
    for name, what in (("keypoints", "keypoint scores, by part"), ("persons", "persons' scores")):
        rows = tables[f"calibration_{name}"]
        if len(rows):
            yield Drawing(
                f"calibration_{name}",
                f"Reliability of {what}: on the diagonal a score says what it promises.",
                f"calibration_{name}",
                lambda r=rows: plots.plot_calibration(r),
            )


def _comparison(findings: Findings, names: tuple[str, str]) -> Iterator[Drawing]:
    tables = findings.tables
    yield Drawing(
        "comparison_parts",
        "AP of both, and the difference; hollow where its interval holds 0, grey where there is none.",
        "comparison_parts",
        lambda: plots.plot_comparison(tables["comparison_parts"], names=names),
    )
    yield from _slice_changes(tables["comparison_slices"], ("wholebody",), names)
    points = tables["comparison_keypoints"]
    each, together = (
        int(((points[f"low{end}"] > 0) | (points[f"high{end}"] < 0)).sum()) for end in ("", "_all")
    )
    known = int(points["low_all"].notna().sum())
    yield Drawing(
        "comparison_keypoints",
        "Keypoints whose mean similarity grew or fell most. Thick: 95 % intervals of each keypoint by "
        f"itself; of {known}, about {known / 20:.0f} would leave out 0 by chance, and {each} do. Thin: "
        f"intervals built to hold for all {known} together with 95 % confidence; {together} leave out 0, and "
        "only such markers are filled.",
        "comparison_keypoints",
        lambda: plots.plot_keypoint_changes(points, names=names),
    )
    yield Drawing(
        "comparison_fixed_broken",
        "Keypoints that are good only after the change (right, coloured by what they were before) and only "
        "before it (left, coloured by what they became).",
        "comparison_changes",
        lambda: plots.plot_fixed_broken(tables["comparison_changes"], names=names),
    )
    yield Drawing(
        "comparison_changes",
        "What became of the keypoints of each cause, all parts together: rows before, columns after; the "
        "frames hold those that kept their cause.",
        "comparison_changes",
        lambda: plots.plot_cause_changes(tables["comparison_changes"], names=names),
    )
    others = [part for part in PARTS if part != "wholebody"]
    yield from _slice_changes(tables["comparison_slices"], others, names)


def _slice_changes(changes: pd.DataFrame, parts: Sequence[str], names: tuple[str, str]) -> Iterator[Drawing]:
    titles = {by: SLICINGS[by].title for by in changes["by"].unique()}
    for part in parts:
        here = changes[changes["part"] == part]
        rows = here[(here["persons"] >= plots.FEWEST) & here["AP_low"].notna()]
        sure = int(((rows["AP_low"] > 0) | (rows["AP_high"] < 0)).sum())
        if len(here):
            yield Drawing(
                f"comparison_slices_{part}",
                f"For whom it changed, {plots.words(part)}: the difference in AP over the people of each "
                "slice, the others and the detections assigned to them left out. Hollow: its 95 % interval "
                f"holds 0; grey: fewer than {plots.FEWEST} people, or all in one picture. Of the {len(rows)} "
                "not grey, at least "
                f"{len(rows) / 20:.0f} would leave 0 out by chance, and {sure} do; slices of different kinds "
                "share people.",
                "comparison_slices",
                lambda p=part: plots.plot_slice_changes(changes, p, titles=titles, names=names),
            )
