"""JupyterLab in a real browser: open a notebook, run it, move its widgets, and hear of every failure.

A callback's exception leaves no trace in its cell. So all kernel messages are listened to, the browser's
console too, and widgets that could not be shown are looked for.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SETTINGS = {
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight are drawn, too
}
PATIENCE = 300_000  # ms, for a busy machine; nothing waits longer than it must

OPEN = """async () => {
  const app = window.jupyterapp; await app.restored;
  const begun = Date.now(); let panel;
  while (!(panel = app.shell.currentWidget)?.sessionContext) {
    if (Date.now() - begun > 120000) throw Error('the notebook did not open');
    await new Promise(done => setTimeout(done, 50));
  }
  const late = new Promise((_, fail) => setTimeout(() => fail(Error('no kernel: a dialog?')), 120000));
  const ready = async () => {
    await panel.context.ready; await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
  };
  await Promise.race([ready(), late]);
  window.kernelErrors = [];
  panel.sessionContext.iopubMessage.connect((_, message) => {
    if (message.header.msg_type === 'error')
      kernelErrors.push(message.content.ename + ': ' + message.content.evalue);
  });
}"""
FINISHED = """() => {
  const panel = jupyterapp.shell.currentWidget;
  const run = cell => cell.model.type !== 'code' || !cell.model.sharedModel.source.trim()
    || (cell.model.executionCount && cell.model.executionState === 'idle');
  return kernelErrors.length
    || (panel.sessionContext.session?.kernel?.status === 'idle' && panel.content.widgets.every(run));
}"""
IDLE = "() => jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"


def chromium() -> str | None:
    """The browser: $CHROMIUM, or what Debian and others install."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def why_not() -> str | None:
    """Why browser tests cannot run here, None if they can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed (pip install playwright)"
    if chromium() is None:
        return "no Chromium found (apt-get install chromium, or set CHROMIUM to its path)"
    return None


@contextmanager
def jupyter_lab(folder: Path, scratch: Path) -> Iterator[str]:
    """JupyterLab for the notebooks in `folder`, with settings of its own; gives the address of one, {}."""
    for name, content in SETTINGS.items():
        file = scratch / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    token = secrets.token_hex(16)
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--ServerApp.port_retries=0"]
    options += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    options += ["--LabApp.expose_app_in_browser=True"]
    with _server("jupyterlab", options, scratch, f"/api/status?token={token}") as address:
        yield f"{address}/lab/tree/{{}}?token={token}&reset"


@contextmanager
def voila(notebook: Path, scratch: Path) -> Iterator[str]:
    """A notebook as a page without code; gives its address."""
    options = [str(notebook), "--no-browser", "--Voila.ip=127.0.0.1"]
    with _server("voila", options, scratch, "/voila/static/dist/voila.js") as address:
        yield address


@contextmanager
def _server(module: str, options: list[str], scratch: Path, probe: str) -> Iterator[str]:
    """`python -m module` on a free port, with Jupyter folders of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{kind}_DIR": str(scratch / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"IPYTHONDIR": str(scratch / "ipython"), "JUPYTERLAB_SETTINGS_DIR": str(scratch / "settings")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(scratch / "workspaces")}
    own |= {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    own["OMP_WAIT_POLICY"] = "passive"  # beside a browser, threads that spin while they wait stall each other
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | own
    command = [sys.executable, "-m", module, f"--port={port}", *options]
    with open(scratch / "server.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        _wait_for(f"http://127.0.0.1:{port}{probe}", server, scratch / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()  # the server ends its kernels, too
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(1200):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except urllib.error.HTTPError:
            return  # it answers, if only that there is no such page
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"the server does not answer: {log.read_text()[-2000:]}")


class Notebook:
    """One notebook in one browser tab."""

    def __init__(self, page, address: str):
        self.page, self.console = page, []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: self.console.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.goto(address)
        page.wait_for_function("window.jupyterapp")
        page.evaluate(OPEN)

    def run_all(self) -> None:
        """Run every cell, and wait for the last one (or the first failure)."""
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")
        self.page.wait_for_function(FINISHED)
        self.settle()

    def settle(self) -> None:
        """Wait until the kernel has nothing to do and what it sent is drawn."""
        self.page.wait_for_timeout(300)
        self.page.wait_for_function(IDLE)
        self.page.wait_for_timeout(200)

    def problems(self) -> list[str]:
        """Everything that failed so far: cells, callbacks, scripts, widgets."""
        found = self.page.evaluate("window.kernelErrors || []") + self.console
        broken = self.page.locator(".jupyter-widgets-error-widget").count()
        found += [f"{broken} widgets could not be shown"] * bool(broken)
        text = self.page.locator(".jp-Notebook").first.inner_text()
        return found + [said for said in ("Error displaying widget", "Loading widget") if said in text]

    def explorers(self) -> list[Explorer]:
        """The explorers of wbkit that are shown, from above."""
        self.page.wait_for_timeout(300)
        return [Explorer(self, e) for e in self.page.locator(".wbkit-explorer").all()]


class Explorer:
    """One explorer on the page, moved as a user would."""

    def __init__(self, notebook: Notebook, element):
        self.notebook, self.element, self.page = notebook, element, notebook.page
        self.picture = element.locator("img.widget-image").first
        self.kind = re.search(r"wbkit-(\w+_\w+)", element.get_attribute("class"))[1]

    def words(self) -> str:
        """All that is written below the picture."""
        return " ".join(self.element.locator(".widget-html-content").all_inner_texts())

    def says(self, text: str, patience: int = 30_000) -> bool:
        """Whether the words hold `text`, now or soon: what was dragged or pressed may be on its way."""
        words = "([explorer, text]) => explorer.innerText.includes(text)"
        try:
            self.page.wait_for_function(words, arg=[self.element.element_handle(), text], timeout=patience)
        except Exception as error:
            if "Timeout" not in type(error).__name__:
                raise
            return False
        return True

    def source(self) -> str:
        """The picture itself, as its address."""
        return self.picture.get_attribute("src")

    def press(self, key: str, slider: int = 0, times: int = 1) -> None:
        """Keys on a slider's handle."""
        self.element.locator(".noUi-handle").nth(slider).focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def press_button(self, label: str) -> None:
        """A button, by its words."""
        self.element.get_by_role("button", name=label).click()

    def choose(self, label: str, option: str) -> None:
        """An entry of a drop-down list."""
        self.element.get_by_label(label, exact=True).select_option(option)

    def upload(self, label: str, file: Path) -> None:
        """A file, through the browser's dialog."""
        with self.page.expect_file_chooser() as dialog:
            self.press_button(label)
        dialog.value.set_files(file)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Picture px -> px of the window."""
        self.picture.scroll_into_view_if_needed()
        box = self.picture.bounding_box()
        width, height = self.picture.evaluate("e => [e.naturalWidth, e.naturalHeight]")
        return box["x"] + (x + 0.5) * box["width"] / width, box["y"] + (y + 0.5) * box["height"] / height

    def click(self, x: float, y: float) -> None:
        """At picture px."""
        self.page.mouse.click(*self.place(x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """With the left button, in small steps."""
        self.page.mouse.move(*self.place(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.place(*end), steps=8)
        self.page.wait_for_timeout(100)
        self.page.mouse.up()

    def changes(self, action) -> bool:
        """Whether another picture appears after `action()`."""
        before = self.source()
        action()
        try:
            changed = "([image, old]) => image.src !== old && image.complete && image.naturalWidth > 0"
            self.page.wait_for_function(changed, arg=[self.picture.element_handle(), before], timeout=30_000)
        except Exception as error:
            if "Timeout" not in type(error).__name__:
                raise
            return False
        self.notebook.settle()
        return True
