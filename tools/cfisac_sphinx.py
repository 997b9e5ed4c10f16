"""What the book asks of Sphinx beyond its configuration.

Colab opens notebooks only, so its button points to the stored notebook of a chapter. Equations
taken from a source keep the number they have there.
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


def setup(app):
    """Register with Sphinx: after the theme, and before napoleon reads the docstrings."""
    app.connect("html-page-context", no_thebe, priority=901)
    app.connect("env-get-updated", equations_keep_their_source_number, priority=900)
    app.connect("html-page-context", colab_opens_the_stored_notebook, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
