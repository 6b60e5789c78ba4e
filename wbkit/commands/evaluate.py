"""`wbkit evaluate`: a results file of any model, or a checkpoint on a COCO-WholeBody folder."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from wbkit.annotations import load_annotations, load_detections, load_results, results_to_json, save_results
from wbkit.columns import Annotations
from wbkit.doubts import label_doubts, taken
from wbkit.errors import InputError
from wbkit.evaluate import per_part_table, reference_table
from wbkit.files import atomic_write, require_writable
from wbkit.nms import USUAL_SIZE

if TYPE_CHECKING:  # imports torch
    from wbkit.data import CocoFolder, Persons


def show_table(table: pd.DataFrame, title: str) -> None:
    """Print a per-part table."""
    print(f"\n{title}")
    print(table.to_string(float_format="{:.3f}".format))


def save_table(table: pd.DataFrame, path: Path | None) -> None:
    """Write a table as CSV, atomically; None: don't."""
    if path is not None:
        with atomic_write(path) as temporary:
            table.to_csv(temporary)


def evaluate(options: argparse.Namespace) -> None:
    """A results file or a checkpoint, as asked for."""
    if options.out:
        require_writable(options.out)
    if options.results or options.annotations:
        if not (options.results and options.annotations):
            raise InputError("--annotations and --results go together", "Give both")
        if options.data or options.checkpoint:
            problem = "a results file and a checkpoint cannot be evaluated in one call"
            raise InputError(problem, "Leave out --annotations and --results, or --data and --checkpoint")
        names = ("recipe", "device", "batch_size", "bf16", "compile", "exact", "no_flip", "zoom", "boxes")
        refuse(options, names, "checkpoint")
        evaluate_results(options)
    elif options.data:
        refuse(options, ("rescore", "reference", "input_size"), "results file")
        evaluate_checkpoint(options)
    else:
        remedy = "Give --annotations and --results, or --data with --checkpoint (wbkit evaluate --help)"
        raise InputError("there is nothing to evaluate", remedy)


def refuse(options: argparse.Namespace, names: Sequence[str], what: str) -> None:
    """InputError for options that belong to evaluating something else."""
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name)]
    if given:
        raise InputError(f"{given[0]} belongs to evaluating a {what}", "Leave it out (wbkit evaluate --help)")


def evaluate_results(options: argparse.Namespace) -> None:
    """Score a results file, with the reference beside it if asked for."""
    annotations, results = load_annotations(options.annotations), load_results(options.results)
    if options.input_size and not options.rescore:
        raise InputError("--input-size is about rescoring", "Give --rescore, too")
    shape = (options.input_size or USUAL_SIZE) if options.rescore else None
    results, notes = taken(annotations, results, shape)
    table = per_part_table(annotations, results)
    show_table(table, f"{options.results}: AP and AR by part (nan: nobody has labels there)")
    for source, found in ((annotations.source, label_doubts(annotations)), (results.source, notes)):
        print("".join(f"note: {source}: {note}\n" for note in found), end="")
    if options.reference:
        content = results_to_json(results) if options.rescore else options.results
        reference = reference_table(options.annotations, content)
        show_table(reference, "the same by xtcocotools")
        print(f"largest difference: {(table - reference).abs().max().max():.1e}")
    save_table(table, options.out)


def evaluate_checkpoint(options: argparse.Namespace) -> None:
    """Predict a whole folder, rescore, suppress, score; the published row beside it where there is one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "evaluating a checkpoint runs in one process, this is one of several",
            "Call it without torchrun; or share the pictures with torchrun and wbkit predict, then evaluate",
        )
    from wbkit.commands.models import load_predictor
    from wbkit.data import find_coco_folder
    from wbkit.pipeline import predict_persons, score

    folder = find_coco_folder(options.data)
    annotations = load_annotations(folder.annotations)
    boxes = options.boxes or "gt"
    persons = find_persons(annotations, folder, boxes)
    predictor = load_predictor(
        options.checkpoint,
        options.recipe,
        device=options.device,
        bf16=options.bf16,
        compile=options.compile,
        exact=options.exact,
        flip_test=False if options.no_flip else None,
        zoom=options.zoom,
        batch_size=32 if options.batch_size is None else options.batch_size,
    )
    raw, failures = predict_persons(predictor, persons, folder.images, workers=options.workers)
    recipe = predictor.recipe
    _, table = score(annotations, raw, recipe)
    show_table(table, f"{recipe.name} on {folder.annotations}, {boxes} boxes")
    show_published(table, recipe.published, boxes)
    save_table(table, options.out)
    if options.out:
        file, size = options.out.with_suffix(".results.json"), "x".join(map(str, recipe.input_size))
        save_results(file, raw)
        again = ["wbkit", "evaluate", "--annotations", str(folder.annotations), "--results", str(file)]
        print(f"predictions: {file}; this table again:")
        print(shlex.join([*again, "--rescore", "--input-size", size]))
    require_everybody(failures, len(persons))


def require_everybody(failures: list[str], persons: int) -> None:
    """An error for persons that are missing from the table."""
    if failures:
        raise InputError(
            f"{len(failures)} of {persons} persons are missing from this table, because their pictures "
            "could not be used",
            "Look at these pictures:\n  " + "\n  ".join(failures[:20] + ["..."] * (len(failures) > 20)),
        )


def find_persons(annotations: Annotations, folder: CocoFolder, boxes: str) -> Persons:
    """The boxes to look into: ground truth's ("gt") or the folder's detections."""
    from wbkit.data import DETECTIONS, persons_from_annotations, persons_from_detections

    if boxes == "gt":
        tell_of_labels(annotations)
        return persons_from_annotations(annotations)
    if folder.detections is None:
        raise InputError(
            f"no detections lie with it ({DETECTIONS})",
            "Give a folder in COCO's layout with them (wbkit download coco-val says where), or --boxes gt",
            file=folder.annotations,
        )
    return persons_from_detections(annotations, load_detections(folder.detections))


def tell_of_labels(annotations: Annotations) -> None:
    """Print what looks wrong in labels, and who is left out for want of them."""
    from wbkit.data import left_out

    for text in (*label_doubts(annotations), left_out(annotations)):
        if text:
            print(f"note: {annotations.source}: {text}")


def show_published(table: pd.DataFrame, published: dict[str, tuple[float, float]], boxes: str) -> None:
    """Print the published AP and AR beside the measured ones."""
    if not published:
        return
    rows = {
        part: {
            "AP measured": table.AP[part],
            "AP published": ap,
            "AR measured": table.AR[part],
            "AR published": ar,
        }
        for part, (ap, ar) in published.items()
        if part in table.index
    }
    show_table(pd.DataFrame.from_dict(rows, orient="index"), "beside the published row")
    if boxes == "gt":
        print("The published row is with a detector's boxes (--boxes detections), yours with ground truth's.")
