"""The benchmarks run: what they print of a GPU is printed of a CPU here, with small batches."""

import inspect
import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import benchmarks.__main__ as bench
from benchmarks import (
    bench_failures,
    eight_bits,
    explorers,
    gpu,
    gpu_calls,
    gpu_table,
    growth,
    ours,
    problems,
    readme,
    record,
    shift,
    stages,
    training_types,
)
from benchmarks.worker import Worker
from wbkit.cli import build_parser
from wbkit.commands.models import load_predictor
from wbkit.files import data_folder
from wbkit.recipes import W32_DARK_256x192, W48_DARK_PLUS_384x288


@pytest.mark.parametrize(
    ("recipe", "gmacs"), [(W32_DARK_256x192, 7.7), (W48_DARK_PLUS_384x288, 35.3)], ids=lambda x: str(x)[:12]
)
def test_flops_are_those_of_the_paper(recipe, gmacs):
    assert gpu.flops_per_image(recipe) / 2e9 == pytest.approx(gmacs, abs=0.05)


def test_floors_count_the_network_s_multiplications():
    assert gpu.flops_per_image(W32_DARK_256x192) / 2e9 == pytest.approx(bench.GMAC, abs=5e-4)


def test_readme_states_the_derived_times():
    text = readme.README.read_text()
    for recipe in (W32_DARK_256x192, W48_DARK_PLUS_384x288):
        hours = gpu.training_hours(recipe, 150_000, 50e12)
        row = next(
            line for line in text.splitlines() if line.startswith(f"| `{recipe.name}`") and " h |" in line
        )
        assert row.endswith(f"| {hours:.1f} h | {hours / 8:.1f} h |")


def test_gpu_benchmark_on_a_cpu(capsys):
    assert gpu.main(["--device", "cpu", "--quick"]) == 0
    text = capsys.readouterr().out
    for words in ("Parity with the CPU", "forward, fp32, batch 2", "training, bf16, batch 2", "DARK decode"):
        assert words in text
    assert "False" not in text
    assert "Left out" not in text


def test_rows_without_time_are_listed(capsys, tmp_path):
    assert gpu.main(["--device", "cpu", "--quick", "--minutes", "0", "--json", str(tmp_path / "a.json")]) == 0
    late = "w32_dark_256x192 training, fp32, batch 2: no time left"
    assert late in capsys.readouterr().out
    content = json.loads((tmp_path / "a.json").read_text())
    assert late in content["left_out"]
    assert [table["title"] for table in content["tables"]] == ["Parity with the CPU"]
    assert "7 of 7 checks passed. In brackets" in gpu_table.render(content)


def test_readme_holds_what_a_gpu_said():
    content = json.loads(gpu_table.RECORD.read_text())
    assert readme.block(gpu_table.MARKS) == gpu_table.render(content)
    rate = {
        row["what"]: row.get("img/s")
        for title in ("Inference", "Training")
        for row in gpu_table.rows_of(content, title)
    }
    gains = [
        rate[name.replace("bf16", "bf16 graph")] / value
        for name, value in rate.items()
        if name.endswith(("forward, bf16, batch 1", "forward, bf16, batch 32"))
    ]
    words = " ".join(readme.README.read_text().split(gpu_table.MARKS[1])[1].split())
    assert len(gains) == 4
    assert f"brings {min(gains):.1f} to {max(gains):.0f} times as many images a second" in words
    for name in ("w32_dark_256x192 training, {}, batch 64", "w48_dark_plus_384x288 training, {}, batch 32"):
        assert rate[name.format("bf16")] < rate[name.format("tf32")]  # as the README says


def test_the_run_on_a_gpu_is_that_of_its_metrics():
    run = json.loads(gpu_table.RECORD.read_text())["run"]
    metrics = pd.read_csv(gpu_table.RECORD.parent / "gpu_w32.csv")
    last = metrics.iloc[-1]
    assert run["AP"] == {part: pytest.approx(last[part], abs=6e-4) for part in run["AP"]}
    assert last.step == run["epochs"] * np.ceil(run["people"] / run["batch"])
    assert run["images_per_second"] == pytest.approx(metrics.images_per_second.mean(), rel=0.05)
    assert run["minutes"] * 60 * run["images_per_second"] == pytest.approx(
        run["epochs"] * run["people"], rel=0.01
    )


def test_gpu_rows_become_a_line_a_batch():
    row = {"what": "w32_dark_256x192 training, bf16, batch 64", "ms": 1.0, "img/s": 1050.0, "of peak": 0.05}
    slow = row | {"what": "w32_dark_256x192 training, fp32, batch 64", "img/s": 500.0, "of peak": 0.3}
    content = {"tables": [{"title": "Training", "rows": [slow, row]}]}
    line = gpu_table.speed_table(content).splitlines()[2]
    assert line == "| `w32_dark_256x192` | training | 64 | 500 (30%) | 1,050 (5.0%) |"
    assert "`w32_dark_256x192` 8 h (bf16)" in gpu_table.hours(content)  # 210 x 150,000 / 1,050 / 3,600
    graph = row | {"what": "w32_dark_256x192 training, bf16 graph, batch 64", "img/s": 2000.0}
    content["tables"][0]["rows"].append(graph)  # not a way in which `wbkit train` trains
    assert "2,000" in gpu_table.speed_table(content)
    assert "`w32_dark_256x192` 8 h (bf16)" in gpu_table.hours(content)


def test_rows_that_fail_are_listed_with_the_reason():
    clock = gpu.Clock(torch.device("cpu"), 1, 0)
    assert clock.row("compiled", lambda: 1 / 0) == []
    assert clock.row("eager", lambda: {"ms": 1}) == [{"ms": 1}]
    assert clock.row("silent", lambda: (_ for _ in ()).throw(AssertionError())) == []
    assert clock.left_out == [
        "compiled: ZeroDivisionError: division by zero",
        "silent: AssertionError: without a word",
    ]


@pytest.mark.parametrize("device", ["mps", "cud", "meta"])
def test_devices_that_would_not_be_waited_for_are_refused(device, capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--device", device])
    assert f"{device!r} is neither cuda" in capsys.readouterr().err


def test_what_is_timed_is_what_wbkit_does(monkeypatch):
    """The update of the training loop, and the network as `Predictor` has it."""
    called = []
    update = gpu_calls.Loop.update
    monkeypatch.setattr(gpu_calls.Loop, "update", lambda *given: called.append(given) or update(*given))
    loss, norm = gpu_calls.training_call(W32_DARK_256x192, "bf16", 2, torch.device("cpu"))()
    assert len(called) == 1
    assert loss > 0 < norm
    assert called[0][0].hardware.bf16
    heatmaps = gpu_calls.forward_call(W32_DARK_256x192, "bf16", 1, torch.device("cpu"))()
    assert heatmaps.dtype == torch.bfloat16  # weights, too: no autocast
    assert heatmaps.shape == (1, 133, 64, 48)


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


# The table beside the peers: our half, and its reckoning


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("problems")
    problems.write_all(folder, 4)
    return folder


@pytest.mark.parametrize("task", [t for t in ours.TASKS if "compiled" not in t])
def test_our_half_of_every_task_gives_an_answer(solved, task):
    answer = ours.TASKS[task](solved)()
    assert np.isfinite(answer).all()


def test_rows_name_tasks_of_both_sides():
    text = (Path(bench.__file__).parent / "peers.py").read_text()  # it imports what is not installed here
    for row in bench.ROWS:
        assert row.task in ours.TASKS
        assert f'"{row.peer_task}":' in text
        assert not isinstance(row.floor, str) or row.floor in ours.TASKS


def test_a_worker_may_complain_at_length_and_says_why_it_ended(tmp_path):
    """More than a pipe holds; and its last words are told."""
    (tmp_path / "noisy_tasks.py").write_text(
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from benchmarks.worker import serve\n"
        "def task(folder):\n"
        "    def run():\n"
        "        sys.stderr.write('x' * 200_000)\n"
        "        if (folder / 'stop').exists(): raise SystemExit('no more')\n"
        "        return np.ones(1)\n"
        "    return run\n"
        "serve({'t': task}, Path(sys.argv[1]), sys.argv[2])\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}:." exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    worker = Worker(python, "noisy_tasks", tmp_path, "t")
    assert len(worker.time(2)) == 2
    assert worker.peak_mb > 1
    (tmp_path / "stop").touch()
    with pytest.raises(RuntimeError, match=r"noisy_tasks t ended: .*no more"):
        worker.time(1)


class FakeWorker:
    """Notes what it is asked for; answers 1, and takes 10 ms for a call of ours, 60 of the peer."""

    asked: list[str]

    def __init__(self, python, module, folder, task):
        self.side, self.answer, self.peak_mb = f"{module.split('.')[1]} {task}", np.ones(1), 7.0

    def time(self, repeats: int) -> list[float]:
        self.asked.append(f"{self.side} x {repeats}")
        return [60.0 if self.side.startswith("peers") else 10.0] * repeats

    def close(self) -> None:
        self.asked.append(f"{self.side} closed")


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    monkeypatch.setattr(bench, "Worker", FakeWorker)
    FakeWorker.asked = []
    return FakeWorker.asked


PAIR = (bench.Row("a", "forward", "=", 2, rounds=1), bench.Row("b", "fast", "forward", 5, rounds=2))


def test_rows_of_one_peer_meet_it_in_turn(asked, tmp_path):
    rows = bench.measure(PAIR, tmp_path, Path("python"), {})
    assert asked[:3] == ["ours forward x 1", "ours fast x 1", "peers forward x 1"]  # warm
    assert asked[3:9] == 2 * ["peers forward x 3", "ours forward x 3", "ours fast x 3"]
    assert sorted(asked[9:]) == ["ours fast closed", "ours forward closed", "peers forward closed"]
    assert [(row["what"], row["peer"], row["wbkit"], row["peer MB"]) for row in rows] == [
        ("a", 60, 10, 7),
        ("b", 60, 10, 7),
    ]


def test_without_peers_only_ours_is_timed(asked, tmp_path):
    rows = bench.measure(PAIR, tmp_path, None, {})
    assert not any(text.startswith("peers") for text in asked)
    assert all("peer" not in row and row["wbkit"] == 10 for row in rows)


def test_other_answers_stop_before_anything_is_timed(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "compare", lambda *_: (_ for _ in ()).throw(SystemExit("differ")))
    with pytest.raises(SystemExit):
        bench.measure(PAIR, tmp_path, Path("python"), {})
    assert all(text.endswith("closed") for text in asked)
    assert len(asked) == 3


def test_table_reckons_ratios():
    rows = [
        {"what": "a", "target": 4, "floor": 2.0, "wbkit": 10.0, "peer": 50.0, "wbkit MB": 1, "peer MB": 2},
        {"what": "b", "target": 6, "floor": None, "wbkit": 10.0, "peer": 50.0, "wbkit MB": 1, "peer MB": 2},
        {"what": "c", "target": 6, "floor": None, "wbkit": 10.0, "wbkit MB": 1},
    ]
    table = bench.as_table(rows)
    assert table["times faster"].tolist()[:2] == [5, 5]
    assert table.reached.tolist() == ["yes", "no", ""]
    assert table["times the floor"].tolist()[0] == 5
    assert table["at the floor"].tolist()[0] == 25
    low = bench.as_table([{**rows[0], "target": 6, "floor": 9.0}, {**rows[0], "target": 6}])
    assert [record._reached(row) for _, row in low.iterrows()] == ["no (at the floor: 5.56)", "no"]
    assert [record._reached(row) for _, row in table.iterrows()] == ["yes", "no", ""]


def test_answers_that_differ_stop_the_benchmark():
    row = bench.ROWS[0]
    bench.compare(row, np.ones(3), np.ones(3) * (1 + 1e-7))
    with pytest.raises(SystemExit, match=r"differ by 1\.0e-01"):
        bench.compare(row, np.array([1.0, 0.9]), np.ones(2))


def test_bfloat16_hardly_moves_keypoints():
    found = shift.keypoint_shift(people=6)
    assert 0 < found["mean"] <= found["p95"] <= found["max"]
    assert found["mean"] <= shift.LIMIT_PX
    assert 0.5 < found["share"] < 1
    assert found["points"] == round(found["share"] * 6 * 133)
    assert "reached" in shift.in_words(found)
    assert "MISSED" in shift.in_words({**found, "mean": 0.2})


def test_eight_bits_move_keypoints_further_than_bfloat16():
    exact = load_predictor(None, device="cpu")
    moved = load_predictor(None, device="cpu")
    moved.network = eight_bits.rounded(exact.model, eight_bits.training_images(exact))
    found = shift.distances(exact, moved, people=6)
    assert found["mean"] > shift.keypoint_shift(people=6)["mean"]
    assert found["p95"] < 10  # the network still works
    for mean, end in ((0.2, "beyond the limit"), (0.05, "within the limit")):
        words = eight_bits.in_words({"bf16 ms": 3.0, "int8 ms": 2.0, "shift": found | {"mean": mean}})
        assert "1.5 times as fast" in words
        assert words.endswith(end)


@pytest.mark.parametrize("signed", [False, True])
def test_eight_bit_convolutions_hold_whole_steps(signed):
    """Inputs on the grid, and weights whose largest in each channel is 127 steps, stay as they are."""
    conv = nn.Conv2d(2, 2, 1, bias=False)
    weights = torch.tensor([[127.0, -5.0], [3.0, 127.0]]) / 100  # equal ranges: every share is the same
    conv.weight.data.copy_(weights[:, :, None, None])
    levels = 127 if signed else 255
    x = torch.tensor([levels, 2.0, 0.0, 7.0, 1.0, levels]).view(1, 2, 1, 3) / 50
    x = -x if signed else x
    expected = conv(x).detach()
    with torch.no_grad():
        eight_bits.round_conv(conv, torch.full((2,), levels / 50), signed)
        torch.testing.assert_close(conv(x), expected)
        off = x + 0.3 / 50  # is rounded back
        torch.testing.assert_close(conv(off), expected)
        beyond = 10 * x  # is cut off
        torch.testing.assert_close(conv(beyond), conv(beyond.clamp(-levels / 50, levels / 50)))


@pytest.mark.skipif(not eight_bits.supported(), reason="one of both types is not computed here")
def test_the_integer_convolution_that_is_timed_is_the_convolution():
    conv = nn.Conv2d(8, 8, 3, padding=1)
    x = torch.rand(1, 8, 6, 5).to(memory_format=torch.channels_last)
    whole = (255 * x).to(torch.uint8)
    with torch.inference_mode():
        found = 2 / 255 * eight_bits._int8(conv, whole)().float()
        expected = torch.relu(conv(whole / 255)).clamp(max=2)
    assert (found - expected).abs().max() < 0.02
    assert set(eight_bits.conv_times(repeats=1)) == {"bf16 ms", "int8 ms"}


def test_readme_holds_the_recorded_run():
    content = json.loads(record.RECORD.read_text())
    assert readme.block(record.MARKS) == record.render(content)
    assert [row["what"] for row in content["rows"]] == [row.what for row in bench.ROWS]
    assert all(row["peer"] > 0 for row in content["rows"])


def test_a_part_is_kept_as_soon_as_it_is_measured(monkeypatch, tmp_path):
    kept = tmp_path / "performance.json"
    kept.write_text(json.dumps({"days": {"first": "2020-01-01", "table": "2020-01-02"}, "rows": 7}))
    parts = {"first": lambda: {"a": 1}, "second": lambda: {"b": 2}, "table": lambda: 1 / 0}
    written = []
    monkeypatch.setattr(record, "PARTS", parts)
    monkeypatch.setattr(record, "RECORD", kept)
    monkeypatch.setattr(record, "write_block", lambda marks, text: written.append(text))
    monkeypatch.setattr(record, "render", lambda content: record.days_in_words(content["days"]))
    monkeypatch.setattr(sys, "argv", ["record"])
    with pytest.raises(ZeroDivisionError):
        record.main()
    content, today = json.loads(kept.read_text()), date.today().isoformat()
    assert content == {
        "days": {"first": today, "second": today, "table": "2020-01-02"},
        "rows": 7,
        "a": 1,
        "b": 2,
    }
    monkeypatch.setattr(sys, "argv", ["record", "--only"])
    record.main()
    assert written == [f"measured on: first {today}, table 2020-01-02, second {today}"]
    assert record.days_in_words({"a": today, "b": today}) == f"measured on {today}"


@pytest.mark.parametrize(
    ("ms", "words"),
    [(None, "-"), (0.01234, "0.0123 ms"), (999.4, "999 ms"), (2163.0, "2163 ms"), (54_321.0, "54.3 s")],
)
def test_times_are_written_with_three_digits(ms, words):
    assert record.duration(ms) == words


def test_the_explorers_limit_is_for_the_slowest():
    times = np.column_stack([np.arange(10) + 27.0, 10 * np.arange(10) + 5.0])
    row = {"explorer": "dark_explorer", "slider": "noise", "keys": 10} | explorers.in_numbers(times)
    words = explorers.in_words([row])
    assert "dark_explorer (noise) 32 / 35 ms, drawn 50 / 85 ms. Limit 50 ms for the slowest median" in words
    assert words.endswith("until it is there: reached; until it is drawn: reached")
    slower = explorers.in_words([row, {**row, "median ms": 51.0}])
    assert slower.endswith("until it is there: MISSED; until it is drawn: reached")
    assert explorers.in_words([row, {**row, "drawn, median ms": 51.0}]).endswith("drawn: MISSED")


def test_training_in_both_types_is_compared_by_its_mean():
    def row(precision, seed, body):
        return {"precision": precision, "seed": seed, "first": 0.2, "body": body, "wholebody": 0.3}

    rows = [row("fp32", 0, 0.50), row("fp32", 1, 0.52), row("bf16", 0, 0.51), row("bf16", 1, 0.50)]
    words = training_types.in_words({"size": "64x96", "epochs": 7, "rows": rows})
    assert "crops of 96x64, 7 epochs of the embedded people; mean AP of 2 seeds" in words
    assert "body 0.505 beside 0.510, wholebody 0.300 beside 0.300; limit 0.01 of AP lost: reached" in words
    assert words.endswith("whole AP was 0.200 beside 0.200 after the first epoch.")
    for body in (0.48, float("nan")):
        worse = [*rows[:2], row("bf16", 0, body), row("bf16", 1, body)]
        assert "MISSED" in training_types.in_words({"size": "64x96", "epochs": 7, "rows": worse})


def test_training_in_both_types_runs_the_command(monkeypatch):
    """The command's own parser reads what is asked for; of its numbers the first and last AP are taken."""
    asked = []

    def run(words, check):
        assert check
        assert words[1:3] == ["-m", "wbkit.cli"]
        options = build_parser().parse_args(words[3:])
        asked.append(options)
        options.out.mkdir()
        ap = 0.25 if options.precision == "bf16" else 0.5
        rows = f"0,,0.01,0.02\n20,1.0,,\n20,,{ap},{ap + 0.125}\n40,1.0,,\n40,,{2 * ap},{ap}\n"
        (options.out / "metrics.csv").write_text(f"step,loss,body,wholebody\n{rows}")

    monkeypatch.setattr(training_types.subprocess, "run", run)
    rows = training_types.measure()["rows"]
    assert [(o.precision, o.seed) for o in asked] == [(r["precision"], r["seed"]) for r in rows]
    assert [r["seed"] for r in rows] == [0, 0, 1, 1, 2, 2]
    assert {o.init for o in asked} == {str(data_folder() / "models" / "tiny.safetensors")}
    assert {(o.recipe, o.input_size, o.epochs) for o in asked} == {("tiny", (128, 192), 4)}
    assert rows[:2] == [
        {"precision": "fp32", "seed": 0, "first": 0.625, "body": 1.0, "wholebody": 0.5},
        {"precision": "bf16", "seed": 0, "first": 0.375, "body": 0.5, "wholebody": 0.25},
    ]


def test_growth_finds_exponents():
    sizes = np.array([1, 2, 4, 8, 16, 32])
    rows = [
        {"stage": stage, "unit": "n", "size": n, "s": 1e-3 * n**power, "MB": size * n**more}
        for stage, power, size, more in (("line", 1, 0.1, 2), ("square", 2, 1, 1), ("store", 1, 1, 2))
        for n in sizes
    ]
    found = growth.slopes(pd.DataFrame(rows)).set_index("stage")
    assert found.exponent.tolist() == pytest.approx([1, 2, 1])
    assert found["exponent of MB"].tolist() == pytest.approx([2, 1, 2])
    assert found["steeper than linear"].tolist() == [True, True, True]
    little = growth.slopes(pd.DataFrame(rows).assign(MB=0.1)).set_index("stage")
    assert little["exponent of MB"].isna().all()
    assert little["steeper than linear"].tolist() == [False, True, False]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says how much memory a process held at most")
def test_the_memory_of_a_call_is_what_it_held_at_most():
    def holds(mb):
        return lambda: len(np.ones(mb * 2**17)) + len(np.ones(mb * 2**17))  # one after the other

    assert growth.peak_mb(holds(200)) == pytest.approx(200, abs=20)
    assert growth.peak_mb(holds(50)) == pytest.approx(50, abs=20)  # the peak before it is forgotten


def test_stages_are_functions_that_are_called_where_they_are_looked_for():
    for owner, name, _ in (*stages.DEMO, *stages.TRAINING):
        assert callable(getattr(owner, name))
        if inspect.ismodule(owner):
            assert f"{name}(" in inspect.getsource(owner).replace(f"def {name}(", "")


def test_stages_do_not_count_time_twice(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(stages.time, "perf_counter", lambda: float(next(clock)))
    watch = stages.Stages()
    inner = watch.clocked(lambda: None, "inner")
    outer = watch.clocked(lambda: (inner(), inner()), "outer")
    outer()  # ticks: outer 0, inner 1-2 and 3-4, outer 5
    assert watch.seconds == {"inner": 2, "outer": 3}
    assert watch.table(10.0).s["the rest"] == 5


def test_peak_memory_is_the_own_process_s():
    ballast = np.ones(40_000_000)  # 320 MB, which a child's getrusage would count as its own
    code = "import benchmarks.worker as w; a = w.peak_mb(); b = b'x' * 50_000_000; print(a, w.peak_mb())"
    root = Path(__file__).resolve().parents[1]
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    before, after = map(float, told.stdout.split())
    assert before < 320 * ballast[0]
    assert 40 < after - before < 60


def test_failure_analysis_is_judged_by_its_limits(capsys, monkeypatch):
    # In a process of its own: the peak of memory is this one's, whatever ran in it before.
    command = [sys.executable, "-m", "benchmarks.bench_failures", "--pictures", "30", "--resamples", "2"]
    root = Path(__file__).resolve().parents[1]
    run = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert run.returncode == 0, run.stdout + run.stderr
    for name, limit in bench_failures.LIMITS.items():
        line = next(line for line in run.stdout.splitlines() if line.startswith(name))
        assert line.endswith("reached")
        assert f"of {limit:6.0f}" in line
    monkeypatch.setattr(bench_failures, "measure", lambda *_: dict.fromkeys(bench_failures.LIMITS, 1e9))
    assert bench_failures.main([]) == 1
    assert capsys.readouterr().out.count("MISSED") == len(bench_failures.LIMITS)
