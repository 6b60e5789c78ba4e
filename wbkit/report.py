"""Notebooks as single HTML files that open offline: pictures inside, formulas as MathML, no script needed.

Serves the failure report of `wbkit analyse` and the pages of the executed notebooks.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
from latex2mathml.converter import convert as latex_to_mathml
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from wbkit.files import atomic_write
from wbkit.report_style import STYLE

_MATHML = "http://www.w3.org/1998/Math/MathML"
_BAR = "―"  # the converter writes it for overlines, which browsers do not stretch
ElementTree.register_namespace("", _MATHML)
_WIDGET = "application/vnd.jupyter.widget-view+json"
_NO_WIDGET = "(an interactive widget: open the notebook itself to use it)"
_HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>', re.DOTALL)
_JQUERY = re.compile(r"<script type=\"text/javascript\">\s*var element = \$\('#[^']*'\);\s*</script>")


def notebook_to_html(
    notebook: NotebookNode | dict | str | Path,
    *,
    title: str | None = None,
    code: bool = True,
    contents: bool = True,
    links: Callable[[str], str] | None = None,
    folder: str | Path | None = None,
    widgets: bool = False,
    head: str = "",
) -> str:
    """One HTML page that needs nothing else: no network, no files beside it, no scripts but those of outputs.

    Args:
        notebook: an executed notebook: node, parsed JSON, or path of an .ipynb. Not changed.
        title: of the page; None: the first heading.
        code: show the code cells' sources (their outputs are always shown).
        contents: a list of the second-level headings beside the text.
        links: address -> address of links in Markdown, such as .ipynb -> .html; None: as they are.
        folder: where pictures named in Markdown lie; None: the notebook's folder, else the current one.
        widgets: keep ipywidgets' views and state; they need a script in `head`. False: a note instead.
        head: goes into the page's <head>, such as scripts that are embedded there.

    Returns:
        The page. Formulas in dollars are MathML, which all current browsers draw.
    """
    if isinstance(notebook, (str, Path)):
        folder = folder or Path(notebook).parent
        notebook = nbformat.read(notebook, as_version=4)
    book = deepcopy(nbformat.from_dict(notebook))
    if not widgets:
        _without_widgets(book)
    exporter = _PageExporter(links)
    exporter.exclude_input = not code
    resources = {"metadata": {"path": str(folder or ".")}}
    body = _JQUERY.sub("", exporter.from_notebook_node(book, resources)[0])
    side = _contents(body) if contents else ""
    name = html.escape(title or _first_heading(book))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{name}</title>\n'
        f"<style>{STYLE}</style>{head}</head>\n<body>{side}<main>\n{body}\n</main></body></html>\n"
    )


def write_page(path: str | Path, page: str) -> None:
    """Write a page as UTF-8, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def markdown_cell(text: str) -> NotebookNode:
    """A Markdown cell for a notebook that is put together by a program."""
    return nbformat.v4.new_markdown_cell(text)


def output_cell(*bundles: dict[str, Any], alt: str = "", source: str = "") -> NotebookNode:
    """A code cell that has been run, with one output for each bundle of MIME type -> data.

    Args:
        bundles: such as {"text/html": "<table>..."} or {"image/png": base64 text}.
        alt: what the pictures show, for readers who cannot see them.
        source: the cell's code.
    """
    metadata = {kind: {"alt": alt} for kind in ("image/png", "image/jpeg")} if alt else {}
    outputs = [nbformat.v4.new_output("display_data", data, metadata=metadata) for data in bundles]
    return nbformat.v4.new_code_cell(source, outputs=outputs)


def mathml(latex: str, *, display: bool = False) -> str:
    """A formula as MathML; what cannot be read stays as it is, in a <code>."""
    # The converter knows no inner environments, and numbers the lines of those without a star.
    text = re.sub(r"\\(begin|end)\{(?:aligned|split|gathered|align)\}", r"\\\1{align*}", latex)
    try:
        found = _mended(latex_to_mathml(text.strip(), display="block" if display else "inline"))
    except Exception:  # its errors have no common class; a page without one formula beats no page
        return f'<code class="formula">{html.escape(latex)}</code>'
    return f'<span class="formula">{found}</span>' if display else found


def _mended(text: str) -> str:
    """MathML as browsers draw it well: norms of the size of what they hold, lines over the whole width."""
    tree = ElementTree.fromstring(text)
    for element in tree.iter():
        if element.text == "‖":
            element.attrib.setdefault("stretchy", "false")
        elif element.tag == f"{{{_MATHML}}}mover" and element[1].text == _BAR:
            element.tag = f"{{{_MATHML}}}mrow"
            element.set("class", "overline")
            element.remove(element[1])
    return ElementTree.tostring(tree, encoding="unicode")


class _OfflineRenderer(IPythonRenderer):
    """Markdown to HTML with formulas as MathML and links rewritten."""

    rewrite: Callable[[str], str] | None = None

    def block_math(self, body: str) -> str:
        return mathml(body, display=True)

    def inline_math(self, body: str) -> str:
        return mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", display=True)

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return super().link(text, self.rewrite(url) if self.rewrite else url, title)


class _PageExporter(HTMLExporter):
    """nbconvert's basic template: the cells alone, without the page around them."""

    def __init__(self, links: Callable[[str], str] | None):
        super().__init__(template_name="basic", embed_images=True, exclude_anchor_links=False)
        self.exclude_input_prompt = self.exclude_output_prompt = True
        self._links = links

    def markdown2html(self, context: dict, source: str) -> str:
        """As nbconvert's, with another renderer."""
        renderer = _OfflineRenderer(
            escape=False,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=self.embed_images,
            path=context.get("resources", {}).get("metadata", {}).get("path", ""),
            anchor_link_text="",
        )
        renderer.rewrite = self._links
        return MarkdownWithMath(renderer=renderer).render(source)

    markdown2html.jinja_pass_arg = HTMLExporter.markdown2html.jinja_pass_arg  # it is called with the context


def _without_widgets(book: NotebookNode) -> None:
    """Take widgets' views out; where nothing else shows them, put a note."""
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if data.pop(_WIDGET, None) is not None and set(data) <= {"text/plain"}:
                data["text/plain"] = _NO_WIDGET


def _contents(body: str) -> str:
    entries = "".join(
        f'<li><a href="#{anchor}">{_text(heading)}</a></li>' for anchor, heading in _HEADING.findall(body)
    )
    return f'<nav aria-label="Contents"><ul>{entries}</ul></nav>' if entries else ""


def _text(fragment: str) -> str:
    """HTML without links, which must not nest; other tags stay."""
    return re.sub(r"<a [^>]*>.*?</a>", "", fragment, flags=re.DOTALL).strip()


def _first_heading(book: NotebookNode) -> str:
    lines = [line for cell in book.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), "wbkit")
