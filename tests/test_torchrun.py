"""wbkit under torchrun: two processes predict what one does; trained in slices, the first one writes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_coco import PEOPLE_BOXES, picture_name

from wbkit.annotations import load_annotations
from wbkit.cli import main
from wbkit.data import EpochSampler, find_coco_folder, persons_from_annotations

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
LIMIT = 150  # seconds; each process imports torch anew


def torchrun(arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    """Two processes on this machine, on a free port."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    return subprocess.run(
        [*launch, "-m", "wbkit.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=environment,
        cwd=folder,
    )


def arguments(coco: Path, checkpoint: Path, out: Path) -> list[str]:
    boxes = coco / "boxes.json"
    boxes.write_text(json.dumps({picture_name(i): found for i, found in PEOPLE_BOXES.items()}))
    pictures = [str(coco / "val2017" / picture_name(i)) for i in (3, 1, 2)]
    # One crop a pass: the last bits of a convolution may depend on the size of its batch, and the shares
    # of two processes are batched differently.
    options = {
        "--boxes": boxes,
        "--checkpoint": checkpoint,
        "--out": out,
        "--batch-size": 1,
        "--device": "cpu",
    }
    return ["predict", *pictures, *(str(word) for pair in options.items() for word in pair)]


def test_two_processes_write_what_one_writes(tiny_coco, tiny_checkpoint, tmp_path, one_thread):
    assert main(arguments(tiny_coco, tiny_checkpoint, tmp_path / "one" / "results.json")) == 0
    done = torchrun(arguments(tiny_coco, tiny_checkpoint, tmp_path / "two" / "results.json"), tmp_path)
    assert done.returncode == 0, done.stderr
    one, two = (tmp_path / name / "results.json" for name in ("one", "two"))
    assert [r["image_id"] for r in json.loads(one.read_text())] == [3, 1, 1, 2, 2]
    assert one.read_bytes() == two.read_bytes()
    drawings = [sorted(p.name for p in path.parent.glob("*.jpg")) for path in (one, two)]
    assert drawings[0] == drawings[1] == [f"{i:012d}.pose.jpg" for i in (1, 2, 3)]
    assert done.stdout.count("5 people in 3 pictures") == 1  # rank 0 alone speaks


def test_a_broken_picture_in_the_second_share_is_listed(tiny_coco, tiny_checkpoint, tmp_path, capsys):
    broken = tiny_coco / "val2017" / picture_name(1)  # the second argument: rank 1 takes it
    good = broken.read_bytes()
    broken.write_bytes(good[:300])
    out = tmp_path / "two" / "results.json"
    done = torchrun(arguments(tiny_coco, tiny_checkpoint, out), tmp_path)
    assert done.returncode != 0
    assert [r["image_id"] for r in json.loads(out.read_text())] == [3, 2, 2]
    assert "1 of 3 pictures were left out" in done.stderr
    assert str(broken) in done.stderr
    # One process goes on where two ended.
    broken.write_bytes(good)
    assert main([*arguments(tiny_coco, tiny_checkpoint, out), "--resume"]) == 0
    assert "2 of 3 pictures done before" in capsys.readouterr().out
    assert [r["image_id"] for r in json.loads(out.read_text())] == [3, 1, 1, 2, 2]
    assert not list(out.parent.glob(".*"))


def test_a_broken_picture_in_the_second_share_stops_training_with_the_state_kept(train_coco, tmp_path):
    """The first process alone keeps the state: it must hear of what the second one met."""
    persons = persons_from_annotations(load_annotations(find_coco_folder(train_coco, "train").annotations))
    first, second = (list(EpochSampler(len(persons), 0, True, rank, 2)) for rank in (0, 1))
    met = next(
        i for i, person in enumerate(second) if persons.file_names[person] not in persons.file_names[first]
    )
    broken = train_coco / "train2017" / persons.file_names[second[met]]
    good, out = broken.read_bytes(), tmp_path / "run"
    words = ["train", "--data", train_coco, "--out", out, "--device", "cpu", "--precision", "fp32"]
    words += ["--input-size", "64x96", "--epochs", "1", "--batch-size", "2", "--workers", "0"]
    broken.write_bytes(good[:300])
    done = torchrun([*map(str, words), "--save-every", "100"], tmp_path)
    assert done.returncode != 0
    assert str(broken) in done.stderr
    assert f"the state after {met} updates is kept" in done.stderr
    assert torch.load(out / "last.pt")["step"] == met
    broken.write_bytes(good)
    rest = torchrun([*map(str, words), "--resume"], tmp_path)
    assert rest.returncode == 0, rest.stderr
    assert (out / "final.safetensors").exists()


def test_training_by_two_processes_stops_and_goes_on(train_coco, tmp_path):
    """Both take over the state, the first alone writes and speaks."""
    out = tmp_path / "run"
    words = ["train", "--data", train_coco, "--out", out, "--device", "cpu", "--precision", "fp32"]
    words += ["--input-size", "64x96", "--epochs", "4", "--batch-size", "2", "--workers", "0"]
    words += ["--resume", "auto"]
    slice_ = torchrun([*map(str, words), "--minutes", "1e-9"], tmp_path)
    assert slice_.returncode == 0, slice_.stderr
    assert slice_.stdout.count("The time is up") == 1
    assert torch.load(out / "last.pt")["step"] == 1
    assert not (out / "final.safetensors").exists()
    rest = torchrun([*map(str, words)], tmp_path)
    assert rest.returncode == 0, rest.stderr
    assert rest.stdout.count(f"Written to {out}") == 1
    with (out / "metrics.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file) if row["body"]] == [3, 6, 9, 12]
    assert (out / "final.safetensors").exists()
