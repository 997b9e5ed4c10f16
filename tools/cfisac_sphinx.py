"""What the book asks of Sphinx beyond its configuration.

Colab opens notebooks only, so its button points to the stored notebook of a chapter. Equations
taken from a source keep the number they have there. Numbers glued into prose are set like prose.
Signatures on the pages of the package show values that can be typed. The ledger's tables have
formulas that only a script sees.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes

MINUS, THOUSANDS = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SOURCE_LABEL = re.compile(r"(zhang|fan_conf|fan_journal|liu|commit)-(\d+[a-z]?)")


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
    """Leave out the members of a named tuple that its parameters tell already."""
    return True if type(obj).__name__ == "_tuplegetter" else None


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


def _is_text(node) -> bool:
    return isinstance(node, nodes.Text)


def setup(app):
    """Register with Sphinx: after the theme, and before napoleon reads the docstrings."""
    app.connect("html-page-context", no_thebe, priority=901)
    app.connect("html-page-context", the_ledger_has_formulas, priority=400)  # before MathJax is
    app.connect("env-get-updated", equations_keep_their_source_number, priority=900)
    app.connect("doctree-resolved", typeset_pasted_numbers)
    app.connect("doctree-resolved", punctuation_stays_with_its_formula)
    app.connect("doctree-resolved", values_are_readable)
    app.connect("autodoc-process-signature", defaults_are_shown)
    app.connect("autodoc-skip-member", fields_are_listed_once)
    app.connect("html-page-context", colab_opens_the_stored_notebook, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
