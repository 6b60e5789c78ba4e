"""Pages open offline: nothing fetched, formulas drawn by the browser itself, pictures and tables inside."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import nbformat
import pytest

from wbkit.report import markdown_cell, mathml, notebook_to_html, output_cell, write_page

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WIDGET = "application/vnd.jupyter.widget-view+json"
VOID = {"meta", "img", "br", "hr", "input", "link"}


class Fetched(HTMLParser):
    """What a browser would fetch for a page, and whether every tag is closed in order."""

    def __init__(self):
        super().__init__()
        self.addresses, self.scripts, self.open, self.ids = [], 0, [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.scripts += tag == "script"
        self.addresses += [found[k] for k in ("src", "srcset", "data", "poster") if k in found]
        self.addresses += [found["href"]] if tag in ("link", "image", "use") and "href" in found else []
        self.ids += [found["id"]] if "id" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def fetched(page):
    """Addresses that a page loads (data: ones aside); links to click on are none."""
    parser = Fetched()
    parser.feed(page)
    assert parser.open == []
    styles = re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL)
    urls = [u for s in styles for u in re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", s)]
    return [a for a in parser.addresses if not a.startswith("data:")] + urls


def book(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


@pytest.fixture
def page():
    text = r"""# A *title* & more

## Where

Inline $\sigma_i < 2$, `not $math$`, [next](09_x.ipynb#a), [out](https://example.org).

## Why

$$\mathrm{ks} = \exp\left(-\frac{d^2}{2 s^2 k^2}\right)$$
"""
    table = '<table class="dataframe"><tr><td>0.25</td></tr></table>'
    cell = output_cell({"image/png": PNG}, {"text/html": table}, alt="one pixel", source="print(1)")
    return notebook_to_html(book(markdown_cell(text), cell), links=lambda url: url.replace(".ipynb", ".html"))


def test_a_page_fetches_nothing_and_runs_nothing(page):
    assert fetched(page) == []
    parser = Fetched()
    parser.feed(page)
    assert parser.scripts == 0


def test_title_contents_links_pictures_and_code(page):
    assert "<title>A *title* &amp; more</title>" in page
    contents = re.search(r"<nav.*?</nav>", page, re.DOTALL)[0]
    assert re.findall(r'href="#(\w+)">(\w+)<', contents) == [("Where", "Where"), ("Why", "Why")]
    assert 'href="09_x.html#a"' in page
    assert 'href="https://example.org"' in page
    assert f'<img alt="one pixel" src="data:image/png;base64,{PNG}"' in page
    assert "<td>0.25</td>" in page
    assert '<span class="nb">print</span>' in page


def test_formulas_are_mathml_and_code_is_not(page):
    assert page.count("<math") == 2
    assert page.count('display="block"') == 1
    assert "not $math$" in page
    assert "<mfrac>" in page
    assert r"\frac" not in page


@pytest.mark.parametrize(
    "latex",
    [
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"\begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \end{cases}",
        r"\hat\mu = \mu_0 - \mathbf{H}^{-1}\nabla\mathcal{D},\ \lVert x\rVert_2 \le \tfrac12",
        r"\operatorname*{argmax}_{x\in\mathbb{R}^2} f(x)",
    ],
)
def test_mathml_is_well_formed_and_keeps_the_letters(latex):
    tree = ElementTree.fromstring(mathml(latex))
    words = "".join(tree.itertext())
    assert "\\" not in words
    assert "&" not in words
    assert "(1)" not in words  # lines are not numbered
    for letter in re.findall(r"(?<![\\a-zA-Z{])([a-z])(?![a-zA-Z])", latex):
        assert letter in words


def test_norms_do_not_grow_with_the_formula_around_them():
    bars = [
        e for e in ElementTree.fromstring(mathml(r"\lVert x \rVert", display=True)).iter() if e.text == "‖"
    ]
    assert [bar.get("stretchy") for bar in bars] == ["false", "false"]


def test_a_line_goes_over_all_that_it_is_the_mean_of():
    page = mathml(r"\overline{\text{score}}_b + \overline{\overline{x}}")
    lines = [e for e in ElementTree.fromstring(page).iter() if e.get("class") == "overline"]
    assert ["".join(e.itertext()) for e in lines] == ["score", "x", "x"]
    assert "―" not in page


def test_a_formula_that_cannot_be_read_is_shown_as_it_is():
    assert mathml(r"\frac{1}{") == r'<code class="formula">\frac{1}{</code>'


def test_code_can_be_left_out_and_the_notebook_is_not_changed(tmp_path):
    given = book(markdown_cell("# T"), output_cell({"text/plain": "shown"}, source="secret()"))
    before = nbformat.writes(given)
    page = notebook_to_html(given, code=False, contents=False, title="<b>")
    assert "shown" in page
    assert "secret" not in page
    assert "<title>&lt;b&gt;</title>" in page
    assert "<nav" not in page
    assert nbformat.writes(given) == before
    write_page(tmp_path / "new" / "page.html", page)
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == page


def test_widgets_become_a_note_or_stay():
    view = {WIDGET: {"model_id": "7", "version_major": 2, "version_minor": 0}, "text/plain": "Image(...)"}
    given = book(output_cell(view), output_cell(view | {"image/png": PNG}))
    state = {"state": {"7": {}}, "version_major": 2, "version_minor": 0}
    given.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    page = notebook_to_html(given)
    assert page.count("an interactive widget") == 1
    assert "Image(...)" not in page
    assert PNG in page
    assert "<script" not in page
    kept = notebook_to_html(given, widgets=True, head="<script>/* manager */</script>")
    assert kept.count(f'<script type="{WIDGET}">') == 2
    assert "widget-state+json" in kept
    assert "/* manager */" in kept.split("</head>")[0]
    assert "$('#" not in kept  # no jQuery is there to be called


def test_pictures_beside_a_notebook_are_taken_in(tmp_path):
    import base64

    (tmp_path / "one.png").write_bytes(base64.b64decode(PNG))
    nbformat.write(book(markdown_cell("# T\n\n![a dot](one.png)")), tmp_path / "n.ipynb")
    page = notebook_to_html(tmp_path / "n.ipynb")
    assert fetched(page) == []
    assert 'alt="a dot"' in page
    assert PNG in page
