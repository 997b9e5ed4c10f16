"""What the book asks of Sphinx beyond its configuration.

Colab opens notebooks only, so its button points to the stored notebook of a chapter. Equations
taken from a source keep the number they have there. Numbers glued into prose are set like prose.
Signatures on the pages of the package show values that can be typed. Every chapter opens with a
box, ``{opening}``: what it teaches, what it needs, how long it takes and how to cite it. The
ledger's tables have formulas that only a script sees. The search knows a row of the ledger by its
number, ``liu 15``, and gives equally good answers in the order of the book.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import yaml
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from cfisac import ledger

MINUS, THOUSANDS = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
UNIT = r"(?:%|per cent|[kMG]?Hz|[kcmµ]?m|m/s|[mµnp]?s|m?W|dB(?:m|sm|W)?|bit(?:/s/Hz)?|[kMG]B)(?!\w)"
SOURCE_LABEL = re.compile(r"(zhang|fan_conf|fan_journal|liu|commit)-(\d+[a-z]?)")


def pages_can_be_read_aloud(app, exception) -> None:
    """Say what the theme's arrows open; a bibliography is no list of list items."""
    if exception or app.builder.name != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        named = re.sub(
            r'(<details[^>]*><summary)(?=><span class="toctree-toggle")',
            r'\1 aria-label="pages below"',
            text,
        )
        named = named.replace(' role="list" class="citation-list"', ' class="citation-list"')
        if named != text:
            page.write_text(named, encoding="utf-8")


def colab_opens_the_stored_notebook(app, pagename, templatename, context, doctree) -> None:
    """Rewrite the address behind the Colab button."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                stored = f"/tests/notebooks/{pagename}.ipynb"
                button["url"] = re.sub(r"/book/[^?]*$", stored, button["url"])


def no_thebe(app, pagename, templatename, context, doctree) -> None:
    """Drop the scripts that would fetch a live kernel; they come twice and fail on each page."""
    scripts = context.get("script_files", [])
    context["script_files"] = [
        script
        for script in scripts
        if "thebe" not in str(script.filename) + str(getattr(script, "attributes", "")).lower()
    ]


def the_ledger_has_formulas(app, pagename, templatename, context, doctree) -> None:
    """Load MathJax where the only formulas are those of the ledger's tables."""
    if 'class="ledger-formula"' in context.get("body", ""):
        app.env.get_domain("math").data["has_equations"][pagename] = True


def the_search_knows_the_rows(app, doctree, docname) -> None:
    """Lead ``liu 15``, ``liu (15)`` and ``zhang figure 2`` to the row where it can be judged."""
    if docname != "ledger/rows":
        return
    entries = []
    for row in ledger.load():
        source, number = row.source.replace("_", " "), row.local_id
        names = {f"{source} {number}", f"{source} {row.name}"}
        names |= {f"{source} {re.sub(r'(?<=[a-z])(?=[0-9])', ' ', number)}"}
        entries += [("single", name, row.id, "main", None) for name in sorted(names)]
    doctree += addnodes.index(entries=entries)


def equations_keep_their_source_number(app, env) -> list[str]:
    """Show the equation labelled ``zhang-41``, and every reference to it, as (zhang 41).

    Our own equations are counted without them.
    """
    sourced = {}
    for label, (docname, _) in env.get_domain("math").equations.items():
        match = SOURCE_LABEL.fullmatch(label)
        if match:
            sourced[docname, f"equation-{label.replace('_', '-')}"] = (" ".join(match.groups()),)
    ours = {}  # by chapter number, in their order
    for docname, kinds in env.toc_fignumbers.items():
        for target, number in kinds.get("displaymath", {}).items():
            if (docname, target) not in sourced:
                ours.setdefault(number[:-1], []).append((number[-1], docname, target))
    for chapter, equations in ours.items():
        for count, (_, docname, target) in enumerate(sorted(equations), 1):
            env.toc_fignumbers[docname]["displaymath"][target] = (*chapter, count)
    for (docname, target), number in sourced.items():
        env.toc_fignumbers.setdefault(docname, {}).setdefault("displaymath", {})[target] = number
    return []


def fields_are_listed_once(app, what, name, obj, skip, options) -> bool | None:
    """Leave out what a named tuple's parameters tell already, and the methods of any tuple."""
    named = type(obj).__name__ == "_tuplegetter"
    return True if named or obj is tuple.count or obj is tuple.index else None


def typeset(number: str) -> str:
    """Write a computed number as prose does: a true minus, powers of ten in full, 40 000."""

    def power(match: re.Match[str]) -> str:
        return f"{match[1]} × 10{str(int(match[2])).translate(POWERS)}"

    number = re.sub(r"^(-?[\d.]+)e([+-]\d+)$", power, number)
    number = re.sub(r"(?<=\d),(?=\d{3}\b)", THOUSANDS, number)
    return re.sub(r"^-(?=\d)", MINUS, number)


def typeset_pasted_numbers(app, doctree, docname) -> None:
    """Apply :func:`typeset` to every number that a chapter glues into its prose."""
    for node in doctree.findall(nodes.inline):
        if "pasted-text" in node["classes"]:
            node[:] = [nodes.Text(typeset(node.astext()))]


def units_stay_with_their_number(app, doctree, docname) -> None:
    """Keep a line from ending between a number and its unit, or after a sign such as ±."""
    for text in list(doctree.findall(_is_prose)):
        words = re.sub(rf"(?<=\d) (?={UNIT})", THOUSANDS, text.astext())
        words = re.sub(r"(?<=[±×≈]) (?=[\d.])", THOUSANDS, words)
        place = text.parent.index(text)
        before = text.parent[place - 1] if place else None
        if isinstance(before, (nodes.inline, nodes.math)) and before.astext()[-1:].isdigit():
            words = re.sub(rf"^ (?={UNIT})", THOUSANDS, words)
        if words != text.astext():
            text.parent[place] = nodes.Text(words)


def _is_prose(node) -> bool:
    """Words of a paragraph or a caption that are no code."""
    return isinstance(node, nodes.Text) and isinstance(
        node.parent, (nodes.paragraph, nodes.caption, nodes.strong, nodes.emphasis)
    )


def punctuation_stays_with_its_formula(app, doctree, docname) -> None:
    """Keep a line from ending before the comma after a formula, or after the bracket before it."""
    for formula in list(doctree.findall(nodes.math)):
        parent, index = formula.parent, formula.parent.index(formula)
        whole = nodes.inline(classes=["unbroken"])
        before = parent[index - 1] if index else None
        after = parent[index + 1] if index + 1 < len(parent) else None
        lead = re.search(r"[(\[“‘]+$", before.astext()) if _is_text(before) else None
        tail = re.match(r"[.,;:!?)\]”’]+", after.astext()) if _is_text(after) else None
        if not (lead or tail):
            continue
        parent[index] = whole
        if lead:
            parent[index - 1] = nodes.Text(before.astext()[: lead.start()])
            whole += nodes.Text(lead[0])
        whole += formula
        if tail:
            parent[index + 1] = nodes.Text(after.astext()[tail.end() :])
            whole += nodes.Text(tail[0])


def defaults_are_shown(app, what, name, obj, options, signature, returns):
    """Show what a field's factory makes, as ``{}``, where Python says ``<factory>``."""
    for field in getattr(obj, "__dataclass_fields__", {}).values():
        if callable(field.default_factory):
            made = f"{field.name}={field.default_factory()!r}"
            signature = (signature or "").replace(f"{field.name}=<factory>", made)
    return signature, returns


def shorter(value: str) -> str:
    """Write the long floats of a signature with six digits: ``38000000000.0`` as ``3.8e10``."""

    def six(match: re.Match[str]) -> str:
        return f"{float(match[0]):.6g}".replace("e+", "e") if len(match[0]) > 8 else match[0]

    return re.sub(r"(?<![\w.])\d+\.\d+(e[+-]?\d+)?", six, value)


def values_are_readable(app, doctree, docname) -> None:
    """Shorten the floats in signatures; leave out values that cannot be typed, as functions."""
    for value in list(doctree.findall(addnodes.desc_annotation)):
        if re.search(r"<\w[^>]* ", value.astext()):
            value.parent.remove(value)
    for signature in doctree.findall(addnodes.desc_signature):
        for text in list(signature.findall(nodes.Text)):
            text.parent.replace(text, nodes.Text(shorter(text.astext())))


class Opening(SphinxDirective):
    """The box under a chapter's title. Its text says what the reader learns, and needs.

    ``:level:`` is 1, 2 or 3: a first course, a second one, research.
    """

    has_content = True
    option_spec: ClassVar = {"level": lambda given: directives.choice(given, ("1", "2", "3"))}

    def run(self):
        """Build the box; what only the whole page tells is filled in later."""
        box = nodes.admonition(classes=["opening"])
        box += nodes.title("", "In this chapter")
        self.state.nested_parse(self.content, self.content_offset, box)
        level = int(self.options.get("level", "2"))
        stars = "★" * level + "☆" * (3 - level)
        told = ("a first course", "a second course", "research")[level - 1]
        line = nodes.paragraph(classes=["opening-line"])
        line += nodes.inline("", "", classes=["opening-minutes"])
        line += nodes.inline("", f"{stars}", classes=["opening-stars"])
        line += nodes.Text(f" {told}")
        box += [line, nodes.container(classes=["opening-cite"])]
        return [box]


MINUTE = {"words": 150, "formulas": 3, "lines": 20}  # read in one


def openings_are_filled(app, doctree, docname) -> None:
    """Write the minutes and the citation into the box of a chapter."""
    for box in doctree.findall(nodes.admonition):
        if "opening" not in box["classes"]:
            continue
        for line in box.findall(nodes.inline):
            if "opening-minutes" in line["classes"]:
                line += nodes.Text(f"{minutes(doctree)} minutes to read · ")
        for place in box.findall(nodes.container):
            if "opening-cite" in place["classes"]:
                place += citation(app, docname, next(doctree.findall(nodes.title)).astext())


def minutes(doctree) -> int:
    """How long a page takes to read, in steps of five: its words, formulas and visible code."""
    words = sum(len(each.astext().split()) for each in doctree.findall(nodes.paragraph))
    formulas = sum(1 for _ in doctree.findall(nodes.math_block))
    lines = 0
    for cell in doctree.findall(nodes.container):
        if "cell" in cell["classes"] and "tag_hide-input" not in cell["classes"]:
            for block in cell.findall(nodes.container):
                if "cell_input" in block["classes"]:
                    lines += len(block.astext().strip().splitlines())
    taken = words / MINUTE["words"] + formulas / MINUTE["formulas"] + lines / MINUTE["lines"]
    return 5 * max(1, round(taken / 5))


def citation(app, docname, title) -> list[nodes.Node]:
    """BibTeX of one chapter, folded."""
    told = yaml.safe_load((Path(app.srcdir).parent / "CITATION.cff").read_text(encoding="utf-8"))
    year = app.config.copyright.split(",")[0].strip()
    entry = "\n".join([
        f"@incollection{{cfisac:{docname.split('/')[-1]},",
        f"  author    = {{{{{told['authors'][0]['name']}}}}},",
        f"  title     = {{{title}}},",
        f"  booktitle = {{{app.config.html_title}}},",
        f"  year      = {{{year}}},",
        f"  note      = {{Version {told['version']}}},",
        f"  url       = {{{told['repository-code']}}},",
        "}",
    ])  # fmt: skip
    head = '<details class="opening-cite"><summary>Cite this chapter</summary>'
    block = nodes.literal_block(entry, entry, language="none")
    return [
        nodes.raw("", head, format="html"),
        block,
        nodes.raw("", "</details>", format="html"),
    ]


def hooks_in_sentences(app, doctree, docname) -> None:
    """Name a chapter in a sentence by what stands before the colon of its title, or its topic."""
    for inline in doctree.findall(nodes.inline):
        if "doc" in inline["classes"] and len(inline) == 1:
            hook, *topic = re.split(r": |(?<=\?) ", inline.astext(), maxsplit=1)
            if topic and _is_title(app, inline.astext()):
                inline[0] = nodes.Text(hook)


def _is_title(app, text) -> bool:
    return any(title.astext() == text for title in app.env.titles.values())


def _is_text(node) -> bool:
    return isinstance(node, nodes.Text)


def setup(app):
    """Register with Sphinx: after the theme, and before napoleon reads the docstrings."""
    app.connect("html-page-context", no_thebe, priority=901)
    app.connect("html-page-context", the_ledger_has_formulas, priority=400)  # before MathJax is
    app.connect("env-get-updated", equations_keep_their_source_number, priority=900)
    app.config.html_search_scorer = str(Path(__file__).with_name("search_order.js"))
    app.connect("doctree-resolved", the_search_knows_the_rows)
    app.add_directive("opening", Opening)
    app.connect("doctree-resolved", openings_are_filled)
    app.connect("doctree-resolved", hooks_in_sentences)
    app.connect("doctree-resolved", typeset_pasted_numbers)
    app.connect("doctree-resolved", units_stay_with_their_number)
    app.connect("doctree-resolved", punctuation_stays_with_its_formula)
    app.connect("doctree-resolved", values_are_readable)
    app.connect("autodoc-process-signature", defaults_are_shown)
    app.connect("autodoc-skip-member", fields_are_listed_once)
    app.connect("build-finished", pages_can_be_read_aloud)
    app.connect("html-page-context", colab_opens_the_stored_notebook, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
