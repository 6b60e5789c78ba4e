"""`dark_explorer`: move a known centre, and watch argmax, quarter shift and DARK look for it."""

from __future__ import annotations

import numpy as np

from wbkit.errors import InputError
from wbkit.widgets import dark_scene, shell
from wbkit.widgets.dark_scene import FARTHEST, SIZES, STRIDE, DarkState
from wbkit.widgets.shell import Explorer


class DarkExplorer(Explorer):
    """The widget that `dark_explorer` gives; `wbkit.widgets.dark_scene` computes and draws its `state`."""

    def __init__(self, state: DarkState):
        super().__init__("dark_explorer", state, picture_kind="png")
        sizes = [(f"{h}x{w}", (w, h)) for w, h in SIZES]
        encodings = [("unbiased: at the true centre", True), ("biased: at the nearest pixel", False)]
        self.bind(
            dx=shell.slider("centre x", state.dx, -FARTHEST, FARTHEST, 0.01, tip="from the middle pixel"),
            dy=shell.slider(
                "centre y", state.dy, -FARTHEST, FARTHEST, 0.01, tip="down from the middle pixel"
            ),
            sigma=shell.slider("sigma", state.sigma, 0.5, 4.0, 0.1, ".1f", "of the Gaussian, heatmap px"),
            noise=shell.slider("noise", state.noise, 0.0, 0.3, 0.01, tip="share of the Gaussian's height"),
            kernel=shell.dropdown("blur kernel", range(1, 22, 2), state.kernel, "of DARK's modulation, px"),
            size=shell.dropdown("input size", sizes, state.size, "how much of the photo a pixel stands for"),
            unbiased=shell.dropdown("encoding", encodings, state.unbiased),
        )
        again = shell.button("Other noise", self.other_noise, "draw the noise anew", "refresh")
        self.children = (shell.rows(*self._controls.values(), again), self.picture, self.problem, self.text)
        self.on_drag(self.drag)
        self.refresh()

    def other_noise(self) -> None:
        """Draw the noise, and the random centres of the means, anew."""
        self.change(seed=self.state.seed + 1)

    def drag(self, phase: str, x: float, y: float) -> None:
        """Put the true centre to a place of the picture, in its px; places beside the maps do nothing."""
        place = dark_scene.center_at(self.state, x, y)
        if place is not None:
            moved = self.state.moved_to(*place)
            self.change(dx=moved.dx, dy=moved.dy)

    def draw(self) -> np.ndarray:
        """See `Explorer`."""
        return dark_scene.draw(self.state)

    def summary(self) -> str:
        """See `Explorer`."""
        s = self.state
        noise = f"noise {s.noise:.2f}" if s.noise else "no noise"
        encoding = "unbiased" if s.unbiased else "biased"
        return (
            f"centre ({s.dx:+.2f}, {s.dy:+.2f}) from the middle pixel, sigma {s.sigma:.1f}, {noise}, "
            f"{encoding} encoding, input {s.size[1]}x{s.size[0]}, blur kernel {s.kernel}"
        )

    def words(self) -> str:
        """See `Explorer`."""
        state = self.state
        found, here, mean = dark_scene.decoded(state), dark_scene.errors(state), dark_scene.mean_errors(state)
        header = ["decoder", "finds (heatmap px)", "off by: heatmap px", "input px",
                  f"photo px, person {dark_scene.PERSON_PX} px tall", "mean of random centres"]  # fmt: skip
        lines = []
        for name in dark_scene.NAMES:
            x, y = found[name] - state.middle
            error = here[name]
            cells = [f"({x:+.2f}, {y:+.2f})", f"{error:.3f}", f"{error * STRIDE:.2f}"]
            lines.append([shell.sign(name), *cells, f"{error * state.photo_px:.2f}", f"{mean[name]:.3f}"])
        truth = f"({state.dx:+.2f}, {state.dy:+.2f})"
        lines.append([shell.sign("truth"), truth, "", "", "", ""])
        return shell.spoken(f"<b>{self.summary()}</b>." + shell.html_table(header, lines))


def dark_explorer(
    *,
    sigma: float = 2.0,
    noise: float = 0.0,
    size: tuple[int, int] = (192, 256),
    unbiased: bool = True,
    kernel: int = 11,
) -> DarkExplorer:
    """A Gaussian with a known centre: drag it in the picture, or move its sliders with the arrow keys.

    Args:
        sigma: of the Gaussian, heatmap px, 0.5 ... 4. noise: standard deviation, share of its height.
        size: network input (W, H), one of `dark_scene.SIZES`; heatmaps have a quarter of its sides.
        unbiased: DARK's encoding, or the original one at the nearest pixel.
        kernel: of DARK's blur, odd.

    Raises:
        InputError: a value is out of range.
    """
    allowed = {"sigma": 0.5 <= sigma <= 4, "noise": 0 <= noise <= 0.3, "size": tuple(size) in SIZES}
    allowed["kernel"] = 1 <= kernel <= 21 and kernel % 2 == 1
    for name, fine in allowed.items():
        if not fine:
            remedy = "sigma 0.5 ... 4, noise 0 ... 0.3, kernel odd and at most 21, size one of " + str(SIZES)
            raise InputError(f"{name} is {locals()[name]}", f"Give {remedy}")
    return DarkExplorer(DarkState(0.3, -0.2, sigma, noise, tuple(size), unbiased, kernel))
