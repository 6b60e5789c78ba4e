"""`python -m benchmarks`: what each step costs here, beside a plain peer in the same run.

Peers: loops over persons and keypoints in NumPy and OpenCV, written the way MMPose 1.3.2 decodes and
encodes, and xtcocotools. Both sides' answers are compared before anything is timed. Times are medians in
milliseconds; machines differ and are noisy, so read the ratios.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
import torch

from benchmarks import bench_failures, bench_synth
from wbkit.annotations import load_annotations, load_results, results_from_arrays
from wbkit.errors import InputError
from wbkit.evaluate import per_part_table, reference_table
from wbkit.heatmaps import HeatmapCodec
from wbkit.hrnet import PoseNet
from wbkit.keypoints import PARTS
from wbkit.recipes import W32_DARK_256x192

BATCH = 32


def median_ms(run: Callable[[], object], repeats: int = 7) -> float:
    """Median time of a call after one warm-up, ms."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def loop_encode(points: np.ndarray, size: tuple[int, int], sigma: float) -> np.ndarray:
    """One Gaussian map at a time: (B, K, 2) heatmap px -> (B, K, H, W)."""
    width, height = size
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    maps = np.zeros((*points.shape[:2], height, width), np.float32)
    for b, k in np.ndindex(points.shape[:2]):
        mu = points[b, k]
        maps[b, k] = np.exp(-((x - mu[0]) ** 2 + (y - mu[1]) ** 2) / (2 * sigma**2))
    return maps


def loop_decode(heatmaps: np.ndarray, kernel: int = 11) -> np.ndarray:
    """DARK, one map at a time with a whole-map blur: (B, K, H, W) -> (B, K, 2) heatmap px."""
    border, (h, w) = kernel // 2, heatmaps.shape[2:]
    points = np.zeros((*heatmaps.shape[:2], 2), np.float32)
    for b, k in np.ndindex(heatmaps.shape[:2]):
        y, x = np.unravel_index(heatmaps[b, k].argmax(), (h, w))
        padded = cv2.GaussianBlur(np.pad(heatmaps[b, k], border), (kernel, kernel), 0)
        m = padded[border:-border, border:-border]
        m = np.log(np.maximum(m * (heatmaps[b, k].max() / m.max()), 1e-10))
        points[b, k] = x, y
        if 1 < x < w - 2 and 1 < y < h - 2:
            gradient = np.array([m[y, x + 1] - m[y, x - 1], m[y + 1, x] - m[y - 1, x]]) / 2
            hxx = (m[y, x + 2] - 2 * m[y, x] + m[y, x - 2]) / 4
            hyy = (m[y + 2, x] - 2 * m[y, x] + m[y - 2, x]) / 4
            hxy = (m[y + 1, x + 1] - m[y - 1, x + 1] - m[y + 1, x - 1] + m[y - 1, x - 1]) / 4
            points[b, k] -= np.linalg.solve(np.array([[hxx, hxy], [hxy, hyy]]), gradient)
    return points


def codec_rows() -> list[dict]:
    """Encode and decode a batch of 133 maps a person."""
    recipe, rng = W32_DARK_256x192, np.random.default_rng(0)
    codec, (w, h) = HeatmapCodec(**recipe.codec_settings()), recipe.heatmap_size
    points = rng.uniform((6, 6), (w - 7, h - 7), (BATCH, 133, 2)).astype(np.float32)
    keypoints, visible = torch.from_numpy(points * 4), torch.ones(BATCH, 133)
    maps, _ = codec.encode(keypoints, visible)
    np.testing.assert_allclose(maps.numpy(), loop_encode(points, (w, h), 2.0), atol=1e-6)
    np.testing.assert_allclose(codec.decode(maps)[0].numpy() / 4, loop_decode(maps.numpy()), atol=1e-3)
    read_once = median_ms(lambda: maps.sum())
    return [
        {
            "what": f"encode {BATCH} x 133 maps of {w}x{h}",
            "wbkit": median_ms(lambda: codec.encode(keypoints, visible)),
            "peer": median_ms(lambda: loop_encode(points, (w, h), 2.0), 3),
            "floor": read_once,
        },
        {
            "what": f"DARK decode {BATCH} x 133 maps of {w}x{h}",
            "wbkit": median_ms(lambda: codec.decode(maps)),
            "peer": median_ms(lambda: loop_decode(maps.numpy()), 3),
            "floor": read_once,
        },
    ]


def network_row() -> dict:
    """Forward pass of W32 beside the time that its multiplications alone would take."""
    model, images = PoseNet(32).eval(), torch.randn(8, 3, 256, 192)
    a = torch.randn(2048, 2048)
    flops_per_ms = 2 * 2048**3 / median_ms(lambda: a @ a)
    with torch.inference_mode():
        forward = median_ms(lambda: model(images), 3)
    return {
        "what": "HRNet-W32 256x192 forward, batch 8, fp32",
        "wbkit": forward,
        "floor": 8 * 2 * 7.656e9 / flops_per_ms,
    }


def evaluation_row(pictures: int = 250, people: int = 3) -> dict:
    """Six parts of a random problem beside xtcocotools."""
    rng, n = np.random.default_rng(0), pictures * people
    truth = rng.uniform(0, 400, (n, 1, 2)) + rng.uniform(0, 100, (n, 133, 2))
    fields = {"body": "keypoints", "foot": "foot_kpts", "face": "face_kpts"}
    fields |= {"lefthand": "lefthand_kpts", "righthand": "righthand_kpts"}
    labelled = np.concatenate([truth, np.full((n, 133, 1), 2.0)], -1)
    persons = [
        {
            "id": i + 1,
            "image_id": i // people,
            "category_id": 1,
            "iscrowd": 0,
            "area": 9000.0,
            "bbox": [0.0, 0.0, 100.0, 100.0],
            "num_keypoints": 17,
            **{field: labelled[i, PARTS[part]].ravel().tolist() for part, field in fields.items()},
        }
        for i in range(n)
    ]
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(pictures)]
    content = {"images": images, "annotations": persons, "categories": [{"id": 1, "name": "person"}]}
    noisy = truth + rng.normal(0, 2, truth.shape)
    predicted = np.concatenate([noisy, rng.uniform(0.1, 1, (n, 133, 1))], -1)
    results = results_from_arrays(predicted, None, np.arange(n) // people, rng.uniform(0, 1, n))
    columns = load_annotations(content), load_results(results)
    row = {
        "what": f"AP and AR of six parts, {pictures} pictures, {n} people",
        "wbkit": median_ms(lambda: per_part_table(*columns), 3),
    }
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            pd.testing.assert_frame_equal(per_part_table(*columns), reference_table(content, results))
            row["peer"] = median_ms(lambda: reference_table(content, results), 1)
    except InputError:  # no xtcocotools for this Python: only our half
        pass
    return row


def main() -> None:
    """Print the table."""
    rows = [*codec_rows(), network_row(), evaluation_row()]
    table = pd.DataFrame(rows).set_index("what")
    table["times faster"] = table.peer / table.wbkit
    table["times the floor"] = table.wbkit / table.floor
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads; median ms")
    print(table.to_string(float_format="{:.1f}".format, na_rep="-"))
    print("floor: reading the maps once; for the network, its multiplications at the measured matmul speed")
    print(bench_synth.measure())
    print("failure analysis, val2017-size problem:")
    bench_failures.measure(all_causes=False)


if __name__ == "__main__":
    main()
