"""`wbkit analyse`: why and where a results file fails, as tables, figures and one page."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import pandas as pd
from tqdm import tqdm

from wbkit.annotations import load_annotations, load_results
from wbkit.columns import Annotations
from wbkit.doubts import label_doubts, taken
from wbkit.errors import InputError
from wbkit.failure_report.collect import Findings, collect
from wbkit.failure_report.figures import SCORING_WORDS, TARGET_WORDS, drawings
from wbkit.failure_report.page import DIFFERENCE_WORDS, Source, cost_text, costliest, report_notebook
from wbkit.failure_report.pictures import find_pictures
from wbkit.failure_report.write import spelled_out, write_figures, write_tables
from wbkit.failures import Analysis, analyse
from wbkit.files import require_writable
from wbkit.nms import USUAL_SIZE
from wbkit.plots import words
from wbkit.report import notebook_to_html, write_page


def analyse_results(options: argparse.Namespace) -> None:
    """Tables, figures and the page in `options.out`; the summary is printed.

    Raises:
        InputError: a file cannot be used, or nobody has a label.
    """
    _check(options)
    annotations = load_annotations(options.annotations)
    for note in label_doubts(annotations):
        print(f"note: {options.annotations.name}: {note}")
    analysis = _analysed(annotations, options.results, _shape(options, "a"))
    if not len(analysis.pairs.persons):
        raise InputError(
            "has nobody with labelled keypoints", "Give labels to compare with", file=options.annotations
        )
    pictures = find_pictures(annotations, options.annotations, options.images)
    other = _analysed(annotations, options.results_b, _shape(options, "b")) if options.results_b else None
    findings = collect(analysis, other, intervals=options.intervals, target=options.target, progress=True)
    files = _told_apart(options.results, options.results_b)
    names = tuple(file.removesuffix(".json") if file else "b" for file in files)
    show_summary(findings, names)
    out: Path = options.out
    write_tables(findings, out / "tables", keypoints_csv=options.keypoints_csv)
    if options.tables_only:
        print(f"\nWritten to {out}: tables/ (README.txt there says what they hold)")
        return
    matplotlib.use("Agg")
    drawn = list(drawings(findings, names=names))
    images = write_figures(tqdm(drawn, desc="figures", unit="figure"), out / "figures")
    source = Source(
        options.annotations.name, *files, tuple(_shape(options, which) is not None for which in "ab")
    )
    notebook = report_notebook(findings, drawn, images, source, pictures)
    write_page(out / "report.html", notebook_to_html(notebook, code=False))
    print(f"\nWritten to {out}: report.html (open it in a browser), tables/, figures/")
    if pictures is None:
        print("No pictures found near the annotations: --images DIR puts the worst persons into the report.")
    elif pictures.missing:
        print(f"{len(pictures.missing)} pictures could not be read, such as {min(pictures.missing)}.")


def _check(options: argparse.Namespace) -> None:
    """Refuse, before long work, a folder that cannot be used and options that do not go together."""
    page = options.out / "report.html"
    require_writable(page)
    if options.tables_only and page.exists():
        problem = "is of an earlier run, and would not agree with the new tables"
        raise InputError(problem, "Name another folder with --out, or leave out --tables-only", file=page)
    if options.input_size and not options.rescore:
        raise InputError("--input-size is about rescoring", "Give --rescore, too")
    if options.rescore == "b" and not options.results_b:
        raise InputError("--rescore b without second results", "Give --results-b, or --rescore alone")


def _shape(options: argparse.Namespace, which: str) -> tuple[int, int] | None:
    """The network input (W, H) by which results a or b are to be rescored; None if they are not."""
    return options.input_size or USUAL_SIZE if options.rescore in (which, "both") else None


def show_table(table: pd.DataFrame, title: str) -> None:
    """Print a table of numbers."""
    print(f"\n{title}")
    print(spelled_out(table).to_string(float_format="{:.3f}".format))


def _analysed(annotations: Annotations, file: Path, shape: tuple[int, int] | None) -> Analysis:
    results, notes = taken(annotations, load_results(file), shape)
    for note in notes:
        print(f"note: {file.name}: {note}")
    return analyse(annotations, results)


def _told_apart(a: Path, b: Path | None) -> tuple[str, str | None]:
    """The files' names, with as many of their folders as tell them apart."""
    if b is None:
        return a.name, None
    both = a.resolve().parts, b.resolve().parts
    most = max(map(len, both))
    short = next((n for n in range(1, most) if both[0][-n:] != both[1][-n:]), 1)
    return tuple("/".join(parts[-short:]) for parts in both)


def show_summary(findings: Findings, names: tuple[str, str]) -> None:
    """Print AP by part, the costliest causes, and what the second results changed."""
    table = findings.tables.get("intervals", findings.tables["parts"])
    show_table(table, "AP and AR by part (nan: nobody has labels there)")
    causes = findings.tables["causes"]
    shown = (100 * causes.drop(columns="labelled")).loc[:, lambda t: (t > 0).any()]
    print("\nWhat became of the labelled keypoints, percent")
    print(spelled_out(shown).to_string(float_format="{:.1f}".format))
    print("\nWhat costs most AP, each cause repaired alone (the report has all)")
    print(f"{TARGET_WORDS[findings.target]}; {SCORING_WORDS}")
    rows = {}
    for part in findings.tables["parts"].index:
        dearest = costliest(findings, part).head(3)
        found = [f"{r.repair} {cost_text(r)}" for r in dearest.itertuples()]
        rows[words(part)] = found + [""] * (3 - len(found))
    print(pd.DataFrame.from_dict(rows, orient="index").to_string(header=False))
    if findings.other is not None:
        columns = ["AP_a", "AP_b", "AP_difference", "AP_low", "AP_high"]
        a, b = names
        title = f"a: {a}, b: {b} ({findings.compared} resamples for the difference's 95 % interval)"
        shown = findings.tables["comparison_parts"][columns].rename(columns=DIFFERENCE_WORDS)
        show_table(shown, title)
