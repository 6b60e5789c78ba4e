"""The look of pages made by `wbkit.report`: one column of text, tables and pictures; prints well."""

from __future__ import annotations

_PAGE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --pale: #f6f8fa; --link: #0a58a8; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; display: flex; justify-content: center; gap: 2rem;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { width: 100%; max-width: 62rem; padding: 1.5rem 1.25rem 5rem; min-width: 0; }
nav { width: 15rem; flex: none; position: sticky; top: 0; align-self: flex-start; max-height: 100vh;
  overflow: auto; padding: 2rem 0 2rem 1.25rem; font-size: .88rem; }
nav ul { list-style: none; margin: 0; padding: 0; border-left: 2px solid var(--line); }
nav li { margin: .1rem 0; padding: .1rem 0 .1rem .8rem; line-height: 1.35; }
a { color: var(--link); text-decoration: none; } a:hover, a:focus { text-decoration: underline; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 1.2rem 0 .6rem; }
h2 { font-size: 1.4rem; margin: 2.6rem 0 .6rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.12rem; margin: 1.8rem 0 .4rem; }
p, ul, ol { margin: .5rem 0 .9rem; } li { margin: .15rem 0; }
blockquote { margin: .8rem 0; padding: .1rem 1rem; border-left: 3px solid var(--line); color: var(--soft); }
img, svg { max-width: 100%; height: auto; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); font-size: .92rem; }
.formula { display: block; overflow-x: auto; margin: .7rem 0; text-align: center; }
math { font-size: 1.06em; font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", "XITS Math",
  "Libertinus Math", "DejaVu Math TeX Gyre", math; }
mtd[columnalign="left"] { text-align: left; }
mtd[columnalign="right"] { text-align: right; text-align: -webkit-right; }
mrow.overline { border-top: .06em solid currentColor; padding-top: .12em; }
mtable[columnspacing] mtd { padding-left: 0; padding-right: 0; }
.anchor-link { display: none; }
@media (max-width: 70rem) { nav { display: none; } }
@media print { nav { display: none; } main { max-width: none; padding: 0; }
  .cell { break-inside: avoid-page; } }
"""

_TABLES = """
table { border-collapse: collapse; border: 0; margin: .6rem 0; font-size: .86rem; line-height: 1.35; }
.output_html, .text_cell_render { overflow-x: auto; }
th, td { border: 0; padding: .28rem .65rem; text-align: right; vertical-align: top; }
thead th { border-bottom: 1.5px solid var(--ink); vertical-align: bottom; }
tbody tr { border-bottom: 1px solid var(--line); } tbody tr:hover { background: var(--pale); }
tbody th { text-align: left; font-weight: 600; }
td, tbody th { font-variant-numeric: tabular-nums; }
.text_cell_render td, .text_cell_render th, table.words td, table.words th { text-align: left; }
table.words td:nth-child(2) { min-width: 13rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
.gallery figure { margin: 0; } .gallery figcaption { font-size: .8rem; color: var(--soft); line-height: 1.4; }
"""

_CODE = """
code, pre, kbd { font: .87em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
:not(pre) > code { background: var(--pale); padding: .1em .3em; border-radius: 4px; }
.input_area { background: var(--pale); border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; }
pre { margin: 0; padding: .6rem .8rem; overflow-x: auto; font-size: .84rem; }
.text_cell_render pre { background: var(--pale); border-radius: 6px; }
.output_area { margin: .3rem 0 .8rem; } .output_text pre { padding: .2rem .8rem; white-space: pre; }
.output_stderr pre, .output_error pre { background: #fff4f2; }
.highlight .k, .highlight .kn, .highlight .kc, .highlight .ow { color: #8a2be2; font-weight: 600; }
.highlight .s1, .highlight .s2, .highlight .sd, .highlight .sa, .highlight .si { color: #0a6640; }
.highlight .c1, .highlight .cm { color: #6a737d; font-style: italic; }
.highlight .mi, .highlight .mf { color: #0550ae; } .highlight .nb { color: #953800; }
.highlight .nf, .highlight .nc { color: #0a58a8; font-weight: 600; }
.highlight .err { color: inherit; }
.ansi-bold { font-weight: bold; } .ansi-red-fg { color: #b3261e; } .ansi-green-fg { color: #0a6640; }
.ansi-blue-fg { color: #0550ae; } .ansi-cyan-fg { color: #0e7490; } .ansi-yellow-fg { color: #8a6100; }
"""

STYLE = _PAGE + _TABLES + _CODE
"""CSS of the page."""
