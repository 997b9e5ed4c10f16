"""What the book asks of Sphinx beyond its configuration.

Colab opens notebooks only, so its button points to the stored notebook of a chapter. Docstrings are
written to be read as plain text, so what reStructuredText would take for markup is made literal.
"""

from __future__ import annotations

import re

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


def equations_keep_their_source_number(app, env) -> list[str]:
    """Show the equation labelled ``zhang-41``, and every reference to it, as (zhang 41)."""
    for label, (docname, _) in env.get_domain("math").equations.items():
        match = SOURCE_LABEL.fullmatch(label)
        if match:
            numbers = env.toc_fignumbers.setdefault(docname, {}).setdefault("displaymath", {})
            numbers[f"equation-{label.replace('_', '-')}"] = (" ".join(match.groups()),)
    return []


def plain_text_docstrings(app, what, name, obj, options, lines) -> None:
    """Escape ``|x|``, ``x^*`` and ``x_``; show indented formulas as they stand."""
    result: list[str] = []
    literal: int | None = None  # the indentation of the block being shown as it stands
    last, before = 0, ""  # the last line that was not blank, and its indentation
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip():
            if literal is not None and indent < literal:
                literal = None
            after_blank = number > 0 and not lines[number - 1].strip()
            if literal is None and after_blank and indent > last:
                if not before.endswith("::"):
                    result += [" " * last + "::", ""]
                literal = indent
            last, before = indent, line
        result.append(line if literal is not None else escape(line))
    lines[:] = result


def escape(line: str) -> str:
    """Escape markup characters outside of ``literals``, `names` and section underlines."""
    if re.fullmatch(r"\s*-+", line):
        return line
    parts = re.split(r"(``.*?``|`[^`]*`)", line)
    parts[::2] = [re.sub(r"[|*\\]|(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def setup(app):
    """Register with Sphinx: after the theme, and before napoleon reads the docstrings."""
    app.connect("html-page-context", no_thebe, priority=901)
    app.connect("autodoc-process-docstring", plain_text_docstrings, priority=100)
    app.connect("env-get-updated", equations_keep_their_source_number, priority=900)
    app.connect("html-page-context", colab_opens_the_stored_notebook, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
