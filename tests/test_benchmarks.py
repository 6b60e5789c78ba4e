"""The benchmarks run: what they print of a GPU is printed of a CPU here, with small batches."""

import shutil
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from wbkit.recipes import W32_DARK_256x192, W48_DARK_PLUS_384x288


@pytest.mark.parametrize(
    ("recipe", "gmacs"), [(W32_DARK_256x192, 7.7), (W48_DARK_PLUS_384x288, 35.3)], ids=lambda x: str(x)[:12]
)
def test_flops_are_those_of_the_paper(recipe, gmacs):
    assert gpu.flops_per_image(recipe) / 2e9 == pytest.approx(gmacs, abs=0.05)


def test_readme_states_the_derived_times():
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text()
    for recipe in (W32_DARK_256x192, W48_DARK_PLUS_384x288):
        hours = gpu.training_hours(recipe, 150_000, 50e12)
        row = next(
            line for line in readme.splitlines() if line.startswith(f"| `{recipe.name}`") and " h |" in line
        )
        assert row.endswith(f"| {hours:.1f} h | {hours / 8:.1f} h |")


def test_gpu_benchmark_on_a_cpu(capsys):
    assert gpu.main(["--device", "cpu", "--quick"]) == 0
    text = capsys.readouterr().out
    for words in ("Parity with the CPU", "forward, fp32, batch 2", "training, bf16, batch 2", "DARK decode"):
        assert words in text
    assert "False" not in text
    assert "Left out" not in text


def test_rows_without_time_are_listed(capsys):
    assert gpu.main(["--device", "cpu", "--quick", "--minutes", "0"]) == 0
    assert "w32_dark_256x192 training, fp32, batch 2: no time left" in capsys.readouterr().out


def test_without_a_gpu_it_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "--device cpu --quick" in capsys.readouterr().out


def test_slice_of_training_resumes(tiny_coco, tmp_path, capsys):
    shutil.copytree(tiny_coco / "val2017", tiny_coco / "train2017")
    names = [tiny_coco / "annotations" / f"coco_wholebody_{s}_v1.0.json" for s in ("val", "train")]
    shutil.copy(*names)
    assert gpu.train_slice(tiny_coco, tmp_path / "run", "tiny", 1e-9, "cpu") == 0
    assert capsys.readouterr().out.count("The time is up") == 2
