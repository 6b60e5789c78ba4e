"""The report's text: one page, from the official AP to the persons that went worst."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

import nbformat
import pandas as pd
from nbformat import NotebookNode

from wbkit.failure_report.collect import MEANINGS, Findings
from wbkit.failure_report.columns import column_table
from wbkit.failure_report.figures import SCORING_WORDS, TARGET_WORDS, Drawing
from wbkit.failure_report.pictures import Pictures, person_figure
from wbkit.failure_report.write import png_text, table_text, with_intervals
from wbkit.failures import CLASSES, LABELLED_CAUSES
from wbkit.plots import show_causes, show_examples, words
from wbkit.report import markdown_cell, output_cell

_SHOWN_PERSONS = 12
DIFFERENCE_WORDS = {
    f"{s}_{end}": f"{s} {said}"
    for s in ("AP", "AR")
    for end, said in (("a", "a"), ("b", "b"), ("difference", "b − a"), ("low", "b − a from"), ("high", "to"))
}
"""Columns of the comparison's tables -> what readers see: low and high are the difference's interval."""
_BY_PLACE = ("inversion", "hand_swap", "swap", "wrong_finger", "contour_slide", "collapse")
_PARTS = ("body", "foot", "face", "lefthand", "righthand", "hand")
_KS = r"""$$\mathrm{ks}_i = \exp\left(-\frac{d_i^2}{2\,s^2 k_i^2}\right), \qquad k_i = 2\sigma_i$$

Every class is told by this keypoint similarity: $d_i$ is the distance in pixels between prediction and label,
$s^2$ the person's area, $\sigma_i$ the keypoint's constant; OKS is its mean over the labelled keypoints of a
person. The thresholds .5 and .85 are those of Ronchi & Perona (ICCV 2017). Two departures from their program,
coco-analyze: there a nearer candidate beats even a good point, here good stays good; and there detections are
assigned to persons by score first, here by what fits best."""


@dataclass(frozen=True)
class Source:
    """What was analysed, for the page's head: names of the files, and which results were rescored."""

    annotations: str
    results: str
    other: str | None = None
    rescored: tuple[bool, bool] = (False, False)


def report_notebook(
    findings: Findings,
    drawn: list[Drawing],
    images: dict[str, str],
    source: Source,
    pictures: Pictures | None = None,
) -> NotebookNode:
    """The report as a notebook of text and outputs, for `wbkit.report.notebook_to_html`.

    Args:
        drawn: the figures. images: name -> base64 PNG of each.
        pictures: for the gallery and the examples of classes; None: without.
    """
    by_name = {drawing.name: drawing for drawing in drawn}

    def figures(*starts: str) -> Iterator[str | NotebookNode]:
        for name in [n for n in by_name if n.startswith(starts)]:
            yield f"{by_name[name].caption} Numbers: `{by_name[name].table}`."
            yield output_cell({"image/png": images[name]}, alt=by_name[name].caption)

    parts = [*_head(findings, source), "## What goes wrong", *figures("causes"), *_causes(findings)]
    parts += ["## What each cause costs", _costs_in_words(findings), *figures("costs", "waterfall_wholebody")]
    parts += ["### Part by part", *figures(*(f"waterfall_{part}" for part in _PARTS))]
    parts += ["## Which keypoints", *figures("body_map", "jitter", "confusions")]
    parts += ["## Where errors gather", _visibility_in_words(findings), *figures("slices", "sensitivity")]
    parts += ["## Precision and recall", *figures("precision")]
    parts += ["## Do scores mean what they say?", *figures("calibration")]
    parts += ["## Persons found, missed, found twice", *_persons(findings)]
    if findings.other is not None:
        parts += [f"## Compared with {source.other}", *_comparison(findings, source), *figures("comparison")]
    parts += ["## The worst persons", *_gallery(findings, pictures)]
    parts += ["## The classes", _KS, *_classes(findings, pictures)]
    parts += ["## Files beside this page", _files(findings), *_columns(findings)]
    cells = [markdown_cell(part) if isinstance(part, str) else part for part in parts if part]
    return nbformat.v4.new_notebook(cells=cells)


def _causes(findings: Findings) -> Iterator[str | NotebookNode]:
    yield (
        "In percent of the labelled keypoints. In brackets, for causes that are told by what a point lies "
        "on: what they would come to by chance, if every error kept its length and had a random direction; "
        "only what exceeds it says something about the model."
    )
    yield output_cell({"text/html": table_text(causes_beside_chance(findings), css="numbers")})


def causes_beside_chance(findings: Findings) -> pd.DataFrame:
    """Shares of causes as text in percent, by chance in brackets: a row a cause, a column a part."""
    causes, chance = (findings.tables[name].drop(columns="labelled") for name in ("causes", "chance"))
    rows = {}
    for cause in causes:
        texts = []
        for part, share in causes[cause].items():
            applies = cause in _BY_PLACE and (share or chance.loc[part, cause])
            by_chance = f" ({100 * chance.loc[part, cause]:.1f})" if applies else ""
            texts.append(f"{100 * share:.1f}{by_chance}")
        rows[cause] = texts
    return pd.DataFrame.from_dict(rows, orient="index", columns=[str(p) for p in causes.index])


def _head(findings: Findings, source: Source) -> Iterator[str | NotebookNode]:
    pairs = findings.analysis.pairs
    own, others = (" (rescored and suppressed as MMPose does)" * done for done in source.rescored)
    compared = f" `{source.other}`{others} is compared with it below." if source.other else ""
    yield (
        f"# Failure analysis of {source.results}{f' and {source.other}' if source.other else ''}\n\n"
        f"`{source.results}`{own} on `{source.annotations}`: {len(pairs.results):,} detections, "
        f"{len(pairs.persons):,} labelled persons, {int(pairs.labelled.sum()):,} labelled keypoints. Every "
        "labelled keypoint has exactly one cause; the definitions stand at the end."
        f"{compared}\n\n## AP and AR"
    )
    table = findings.tables.get("intervals")
    table = findings.tables["parts"] if table is None else with_intervals(table)
    yield output_cell({"text/html": table_text(table)})
    if "intervals" in findings.tables:
        yield f"Intervals (95 %) come from {findings.resamples:,} bootstrap resamples of the pictures."


def costliest(findings: Findings, part: str = "wholebody") -> pd.DataFrame:
    """The causes that cost a part most AP, repaired alone, the dearest first.

    Returns:
        Columns repair, AP, AP_cost, and with intervals AP_cost_low, AP_cost_high.
    """
    costs = findings.tables["costs"]
    rows = costs[(costs["part"] == part) & (costs["repair"] != "none") & (costs["AP_cost"] > 0)]
    columns = [c for c in ("repair", "AP", "AP_cost", "AP_cost_low", "AP_cost_high") if c in rows]
    return rows.sort_values("AP_cost", ascending=False, kind="stable")[columns]


def cost_text(row: object) -> str:
    """The cost of one row of `costliest`, with its interval if there is one."""
    low = getattr(row, "AP_cost_low", float("nan"))
    ends = f" ({low:.3f} to {row.AP_cost_high:.3f})" if low == low else ""  # NaN: not known
    return f"{row.AP_cost:.3f}{ends}"


def _costs_in_words(findings: Findings) -> str:
    measured = findings.tables["parts"]["AP"]
    persons = findings.tables["persons"]
    lines = []
    if (persons["detection"] < 0).all():
        lines.append(
            f"Nothing was found: none of the {len(persons):,} labelled persons has a detection, so there are "
            "no keypoints to repair.\n"
        )
    for part in measured.index:
        rows = costliest(findings, part)
        if len(rows):
            first = rows.iloc[0]
            lines.append(
                f"- **{words(part)}**: {words(str(first['repair']))} costs most, {cost_text(first)}; without "
                f"it AP would be {first['AP']:.3f} instead of {measured[part]:.3f}."
            )
    how = f"Each cause repaired alone; {TARGET_WORDS[findings.target]}; {SCORING_WORDS}.\n"
    return "\n".join([how, *lines]) if lines else "No repair raises an AP."


def _visibility_in_words(findings: Findings) -> str:
    slices = findings.tables["slices"]
    told = set(slices.loc[slices["by"] == "visibility", "part"].astype(str))
    silent = [words(p) for p in findings.tables["causes"].index if p not in told]
    if not silent:
        return ""
    return (
        f"These labels mark no point of {', '.join(silent)} as visible (v = 2), as COCO-WholeBody's do for "
        "faces: their v does not tell what is hidden, and the slices by visibility leave them out. Occlusion "
        "is counted over the 17 body keypoints."
    )


def _persons(findings: Findings) -> Iterator[str | NotebookNode]:
    persons = findings.tables["persons"]
    missed = int((persons["detection"] < 0).sum())
    wrong = int(persons["scoring_error"].sum())
    yield (
        f"{missed:,} of {len(persons):,} labelled persons have no detection; for {wrong:,} a worse-placed "
        "detection has the higher score. What the detections are, and parts predicted where nothing of them "
        "is labelled (these cost AP only through false alarms):"
    )
    yield output_cell({"text/html": table_text(findings.tables["verdicts"])})
    yield output_cell({"text/html": table_text(findings.tables["hallucinations"])})


def _comparison(findings: Findings, source: Source) -> Iterator[str | NotebookNode]:
    least = "" if findings.resamples else ", though none were asked for: a difference without one says little"
    yield (
        f"a is `{source.results}`, b is `{source.other}`. Intervals (95 %) of the differences come from "
        f"{findings.compared:,} bootstrap resamples of the pictures{least}. Both results are evaluated on "
        "the same resampled pictures."
    )
    columns = [f"{s}_{end}" for s in ("AP", "AR") for end in ("a", "b", "difference", "low", "high")]
    table = findings.tables["comparison_parts"][columns].rename(columns=DIFFERENCE_WORDS)
    yield output_cell({"text/html": table_text(table)})


def _gallery(findings: Findings, pictures: Pictures | None) -> Iterator[str | NotebookNode]:
    rows = findings.tables["worst_persons"].head(_SHOWN_PERSONS)
    yield (
        "The found persons with the lowest mean keypoint similarity (value): labels on the left, prediction "
        "on the right; left limbs are orange, right ones blue."
    )
    figures = []
    for place, row in enumerate(rows.itertuples(), start=1):
        image = pictures.read(row.image_id) if pictures else None
        if image is not None:
            text = (
                f"<b>{place}.</b> person {row.person_id}, picture {row.image_id}: mean ks {row.value:.2f}, "
                f"score {row.person_score:.2f}; mostly {words(row.cause)}; worst {row.worst_keypoint}"
            )
            alt = f"person {row.person_id}: labels beside the prediction, mostly {words(row.cause)}"
            person = findings.keypoints[findings.keypoints["person"] == row.person]
            figures.append(person_figure(image, person, text, html.escape(alt)))
    if figures:
        yield output_cell({"text/html": f'<div class="gallery">{"".join(figures)}</div>'})
    if len(figures) < len(rows):
        left_out = len(rows) - len(figures)
        yield f"{left_out} of {len(rows)} pictures were not found; `--images DIR` says where they lie."
    shown = rows.drop(columns=["person", "detection"]).set_index("person_id")
    yield output_cell({"text/html": table_text(shown.astype({"person_area": int}))})


def _classes(findings: Findings, pictures: Pictures | None) -> Iterator[str | NotebookNode]:
    total = findings.tables["causes"]
    counts = (total[list(LABELLED_CAUSES)].mul(total["labelled"], axis=0)).sum().round().astype(int)
    table = pd.DataFrame(
        {
            "name": [words(name) for name in CLASSES],
            "what it is": [c.definition for c in CLASSES.values()],
            "when exactly": [c.formula for c in CLASSES.values()],
            "reading of": [c.ronchi for c in CLASSES.values()],
            "keypoints": [f"{counts[n]:,}" if n in counts else "" for n in CLASSES],
        }
    ).set_index("name")
    yield output_cell({"text/html": table_text(table, css="words")})
    if pictures:
        shown = [n for n in LABELLED_CAUSES if n not in ("not_predicted", "person_missed")]
        axes = show_causes(findings.keypoints, pictures.read, shown)
        if axes:
            yield (
                "The clearest example of each: arrows from the labels (open circles) to the predictions "
                "(dots); dashed circles: how far a point may lie to be near (ks .5)."
            )
            alt = "one enlarged part of a person for each class that occurs"
            yield output_cell({"image/png": png_text(axes[0])}, alt=alt)
        examples = show_examples(findings.analysis, pictures.read)
        if examples:
            yield (
                "And of the classes that are about whole persons or points without labels, in black the "
                "labels, in blue the person's own detection, in vermilion what the class is about. One that "
                "these results lack is planted: a detection that was moved or scored anew."
            )
            alt = "an example of a hallucination, a scoring error, a duplicate and a background detection"
            yield output_cell({"image/png": png_text(examples[0])}, alt=alt)


def _files(findings: Findings) -> str:
    names = [*findings.tables, "keypoints"]
    lines = [f"| `{name}` | {MEANINGS[name]} |" for name in names]
    head = ["`tables/` holds each as `.parquet` and `.csv`, `figures/` each figure as `.png` and `.pdf`."]
    return "\n".join([*head, "", "| table | what it says |", "| --- | --- |", *lines])


def _columns(findings: Findings) -> Iterator[str | NotebookNode]:
    """A table of columns for each table, to be opened."""
    yield "What their columns say (also in `tables/columns.csv`; open a table to see its own):"
    texts = []
    for name, rows in column_table(findings).groupby("table", sort=False):
        shown = rows[["type", "meaning"]].map(html.escape)
        shown.index = [f"<code>{html.escape(column)}</code>" for column in rows["column"]]
        body = shown.to_html(border=0, classes="words", escape=False)
        texts.append(f"<details><summary><code>{name}</code></summary>{body}</details>")
    yield output_cell({"text/html": "\n".join(texts)})
