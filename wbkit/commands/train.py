"""`wbkit train`: a recipe on a COCO-WholeBody folder or on people rendered on the fly."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from wbkit.annotations import load_annotations
from wbkit.checkpoints import load_pose_weights, save_pose_weights
from wbkit.commands.evaluate import tell_of_labels
from wbkit.data import (
    SyntheticPeople,
    WholeBodyDataset,
    find_coco_folder,
    has_split,
    join_persons,
    part_persons,
    persons_from_annotations,
)
from wbkit.doubts import absent_parts
from wbkit.errors import InputError
from wbkit.hardware import Hardware, as_first_says, process_group, rank_and_world
from wbkit.hrnet import STRIDE, PoseNet
from wbkit.keypoints import PARTS
from wbkit.pipeline import predict_parts, predict_persons, score
from wbkit.predict import Predictor, find_recipe
from wbkit.recipes import Recipe
from wbkit.runs import Run, identity
from wbkit.schedules import with_batch
from wbkit.train import fit
from wbkit.zoom import ZOOMED

IMAGENET = "imagenet"  # as --init: the recipe's `backbone_url`


def train(options: argparse.Namespace) -> None:
    """Everything from options to final.safetensors; under torchrun in every process."""
    recipe, began = chosen_recipe(options), time.monotonic()
    out = options.out or Path("outputs/train") / recipe.name
    with process_group(options.device):
        first = rank_and_world()[0] == 0
        if options.resume == "auto":  # another machine may see another folder
            options.resume = as_first_says((out / "last.pt").exists())
        hardware = chosen_hardware(options)
        dataset = training_samples(options, recipe, talk=first)
        validate = validation(options, recipe, hardware, talk=first)
        run = opened_run(options, recipe, dataset, out, first)
        model = initial_model(options, recipe, talk=first)
        if first:
            show_plan(recipe, dataset, hardware, out)
            if validate and initial_weights(options, recipe)[1] == "load" and not options.resume:
                print("Before the first update:")
                run.log(0, **validate(model))
        try:
            fit(
                model,
                recipe,
                dataset,
                hardware=hardware,
                run=run,
                validate=validate,
                validate_every=options.validate_every,
                save_every=options.save_every,
                minutes=options.minutes and max(options.minutes - (time.monotonic() - began) / 60, 1e-9),
                shuffle=not isinstance(dataset, SyntheticPeople),
            )
        except KeyboardInterrupt:
            if first and run.last.exists():
                print(f"\n--resume goes on from {run.last}")
            raise
        if first and not run.finished:
            print(f"The time is up after {options.minutes:g} minutes; --resume goes on from {run.last}")
        elif first:
            save_pose_weights(model, out / "final.safetensors", recipe.metadata())
            best = "best.safetensors, " if (out / "best.safetensors").exists() else ""
            print(f"Written to {out}: final.safetensors, {best}metrics.csv, tensorboard/")


def chosen_hardware(options: argparse.Namespace) -> Hardware:
    """Device, precision and the like, as asked for or as they suit the device."""
    hardware = Hardware(
        device=options.device,
        micro_batch=options.micro_batch,
        bf16={"auto": None, "fp32": False, "bf16": True}[options.precision],
        compile=options.compile,
        sync_bn=options.sync_bn,
        freeze_bn=options.freeze_bn,
    ).resolved()
    usual = 4 if hardware.device.type == "cuda" else 1
    return replace(hardware, workers=usual if options.workers is None else options.workers)


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe with what the options change of it."""
    recipe = find_recipe(options.recipe)
    schedule = recipe.schedule
    if options.epochs:  # milestones move along
        moved = {max(1, round(m * options.epochs / schedule.epochs)) for m in schedule.milestones}
        schedule = replace(schedule, epochs=options.epochs, milestones=tuple(sorted(moved)))
    if options.batch_size:
        schedule = with_batch(schedule, options.batch_size)
    if options.learning_rate:
        schedule = replace(schedule, learning_rate=options.learning_rate)
    if recipe.zoom and options.keypoints != recipe.num_keypoints:
        raise InputError(f"--keypoints {options.keypoints} leaves nothing of faces and hands", "Leave it out")
    recipe = replace(recipe, schedule=schedule, num_keypoints=options.keypoints)
    return at_input_size(recipe, options.input_size) if options.input_size else recipe


def at_input_size(recipe: Recipe, size_wh: tuple[int, int]) -> Recipe:
    """The recipe on smaller or larger crops; sigma stays what it is, in heatmap px."""
    if any(s < STRIDE or s % STRIDE for s in size_wh):
        raise InputError(
            f"the input size is {size_wh[0]}x{size_wh[1]}",
            f"Give multiples of {STRIDE}: the network halves its input five times",
        )
    return recipe.at(size_wh)


def training_samples(options: argparse.Namespace, recipe: Recipe, talk: bool = True) -> Dataset:
    """The folders' training persons, or rendered ones; who is left out, and what looks wrong, is told."""
    if options.mix != "everyday" and not options.synthetic:
        raise InputError(f"--mix {options.mix} is about rendered people", "Give --synthetic N, too")
    if options.synthetic and recipe.zoom:
        problem = f"{recipe.name} learns faces and hands, of which rendering on the fly makes too few"
        raise InputError(problem, "Render people first (wbkit synth), then give their folder as --data")
    if options.synthetic:
        mixes = ("everyday", "hard") if options.mix == "both" else (options.mix,)
        return SyntheticPeople(recipe, options.synthetic, seed=options.seed, mixes=mixes)
    if not options.data:
        raise InputError(
            "there is nothing to train on",
            "Give --data DIR (a COCO-WholeBody folder) or --synthetic N (people rendered on the fly)",
        )
    folders = [find_coco_folder(data, "train") for data in options.data]
    if len({(folder.annotations.resolve(), folder.images.resolve()) for folder in folders}) < len(folders):
        raise InputError("a set of --data is named twice", "Leave one away")
    files = [load_annotations(folder.annotations) for folder in folders]
    everyone = [persons_from_annotations(file) for file in files]
    for file in files if talk else []:
        tell_of_labels(file)
    persons, images = join_persons(everyone, [folder.images for folder in folders])
    if recipe.zoom:
        parts, labelled = part_persons(persons)[0], persons.keypoints[..., 2] > 0  # (N, 133)
        few = sum(labelled[:, PARTS[part]].any(1).sum() for part in ZOOMED) - len(parts)
        if talk:
            told = f"{len(parts)} faces and hands of {len(persons)} people"
            print(f"{told}; {few} are left out, too small or with few labels")
        persons = parts
    return WholeBodyDataset(persons, images, recipe, recipe.augmentation, options.seed, keep_failures=True)


def initial_model(options: argparse.Namespace, recipe: Recipe, talk: bool) -> PoseNet:
    """Fresh weights from the seed, or those of --init."""
    torch.manual_seed(options.seed)
    model = PoseNet(recipe.width, recipe.num_keypoints, recipe.head_channels)
    if options.head != "load" and not (options.init or options.resume):
        raise InputError(f"--head {options.head} is about the weights of --init", "Give --init, too")
    weights, head = initial_weights(options, recipe)
    if weights and not options.resume:
        report = load_pose_weights(model, weights, head=head)
        if talk:
            print(report)
    elif talk and recipe.backbone_url and not options.resume:
        print(f"Weights are random; the published ones began with ImageNet's: --init {IMAGENET}")
    return model


def initial_weights(options: argparse.Namespace, recipe: Recipe) -> tuple[str | None, str | None]:
    """What --init and --head mean: a file or address and what becomes of its head; None, None without."""
    if options.init != IMAGENET:
        return options.init, options.head if options.init else None
    if not recipe.backbone_url:
        raise InputError(
            f"there are no ImageNet weights for {recipe.name}", f"Leave out --init {IMAGENET}, or name a file"
        )
    if options.head == "carry_body":
        raise InputError("ImageNet's weights have no body maps to carry over", "Leave out --head")
    return recipe.backbone_url, "fresh"


def validation(
    options: argparse.Namespace, recipe: Recipe, hardware: Hardware, talk: bool
) -> Callable[[nn.Module], dict[str, float]] | None:
    """A function model -> AP by part on --val-data, else on the first of --data that has val annotations.

    Ground-truth boxes. None, which is told, where there are no such annotations. A picture that
    cannot be read is told, and its people count as missed; one that is not there stops the run before it
    begins.
    """
    usable = [data for data in options.data if has_split(data, "val")]
    data = options.val_data or next(iter(usable), None)
    if data is None:
        if talk and options.data:
            names = ", ".join(map(str, options.data))
            print(f"No validation: {names} has no annotations and pictures for it; --val-data DIR has others")
        return None
    folder = find_coco_folder(data, "val")
    annotations = load_annotations(folder.annotations)
    if talk:
        tell_of_labels(annotations)
    persons = persons_from_annotations(annotations)
    WholeBodyDataset(persons, folder.images, recipe)  # are the pictures there?

    def validate(model: nn.Module) -> dict[str, float]:
        dtype = torch.bfloat16 if hardware.bf16 else torch.float32
        at_once = min(hardware.micro_batch or 32, 32)
        predictor = Predictor(model, recipe, device=hardware.device, dtype=dtype, batch_size=at_once)
        ask = predict_parts if recipe.zoom else predict_persons
        raw, failures = ask(predictor, persons, folder.images, workers=hardware.workers)
        if failures:
            print(f"\n{len(failures)} of {len(persons)} people count as missed: {'; '.join(failures[:3])}")
        _, table = score(annotations, raw, recipe)
        print("\n" + table[["AP", "AR"]].T.to_string(float_format="{:.3f}".format))
        return table.AP.to_dict()

    return validate


def show_plan(recipe: Recipe, dataset: Dataset, hardware: Hardware, out: Path) -> None:
    """What is about to happen, in a few lines."""
    s = recipe.schedule
    persons = getattr(dataset, "persons", None)  # of files
    absent = absent_parts(persons.keypoints[..., 2]) if persons and recipe.num_keypoints == 133 else []
    if recipe.zoom:  # it learns of either hand what it must know of both
        hands = {"lefthand", "righthand"} <= set(absent)
        absent = [part for part in absent if part == "face" or (hands and part in ZOOMED)]
    hint = " (--keypoints 17 trains the body alone)" * (len(absent) == 4)
    precision = "bfloat16" if hardware.bf16 else "float32"
    fall = "in a line to 0" if s.to_zero else f"a tenth of it after epochs {s.milestones}"
    print(
        f"{recipe.name}: HRNet-W{recipe.width}, {recipe.num_keypoints} keypoints, crops of "
        f"{recipe.input_size[0]}x{recipe.input_size[1]} px (width x height), on {hardware.device} in "
        f"{precision}\n"
        f"{len(dataset)} samples an epoch, {s.epochs} epochs, batch {s.batch_size}, learning rate "
        f"{s.learning_rate:g}, {fall}\n"
        + f"Nobody has labels for {', '.join(absent)}: these heatmaps learn nothing{hint}\n" * bool(absent)
        + f"State, weights and numbers: {out}; the same command with --resume goes on after an interruption"
    )


def opened_run(
    options: argparse.Namespace, recipe: Recipe, dataset: Dataset, out: Path, first: bool
) -> Run | None:
    """The run's folder; for processes other than the first, which write nothing, the state to go on from."""
    shares = rank_and_world()[1] if isinstance(dataset, SyntheticPeople) else 1
    batch, samples = recipe.schedule.batch_size, len(dataset)
    told = identity(recipe, samples, options.seed, batch, dataset.fingerprint(), shares)
    if first:
        return Run(out, told, options.resume)
    return Run(out, told, resume=True, write=False) if options.resume else None
