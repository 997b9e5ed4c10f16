"""Colours and style sheet of the ledger's tables."""

# Of the words: background and ink, light and dark mode, contrast at least 7 : 1. Of the bars: one.
COLOURS = {
    "definition": ("#e3e6ea", "#2b3138", "#3a4048", "#f1f3f5", "#8a939e"),
    "proved": ("#c8ecd2", "#0b3d1c", "#14502a", "#e3f8e9", "#2e9e57"),
    "verified": ("#cfe6f7", "#0b3558", "#124a75", "#e4f2fc", "#2f86c9"),
    "conditional": ("#fbe7b2", "#4d3500", "#5a4300", "#fff3d1", "#d9a521"),
    "corrected": ("#fcd9bd", "#5c2600", "#6b3206", "#ffeadb", "#e07b2c"),
    "refuted": ("#f8cfd2", "#690812", "#75141f", "#ffe5e7", "#cf3a47"),
    "reconstructed": ("#e2d6f5", "#3a1a6b", "#48297c", "#f0e8fc", "#8a5cc7"),
    "not reproduced": ("#f4d3ea", "#5a0c45", "#691b55", "#fce6f6", "#c24fa3"),
    "open": ("#ffffff", "#4a4f55", "#20242a", "#d5d9de", "transparent"),
}
_DARK = "html[data-theme=dark]"
STYLE = (
    """<style>
.ledger { font-size: 0.9rem; }
.ledger-scroll { overflow-x: auto; max-width: 100%; margin-top: 0.5rem; }
.ledger .ledger-scroll table { display: table; overflow: visible; border-collapse: collapse;
  width: 100%; min-width: 38rem; max-width: none; margin: 0; background: none; }
.ledger .ledger-scroll caption { caption-side: top; text-align: left; font-weight: 600;
  color: inherit; padding: 0.3rem 0; }
.ledger .ledger-scroll :is(th, td) { border-bottom: 1px solid #8886; padding: 0.4rem 0.5rem;
  text-align: left; vertical-align: top; white-space: normal; }
.ledger tr[hidden] { display: none; }
.ledger tbody th { min-width: 6rem; }
.ledger code { overflow-wrap: anywhere; font-size: 0.78rem; }
.ledger-copy { margin-top: 0.3rem; padding: 0.15rem 0.4rem; border-radius: 0.2rem;
  border-left: 3px solid #d9a521; background: #d9a5211f; }
.ledger-meaning { font-weight: normal; font-size: 0.82rem; }
.ledger-verdict { border-radius: 0.6rem; padding: 0.1rem 0.5rem; white-space: nowrap; }
.ledger-open { outline: 1px solid #8886; outline-offset: -1px; }
.ledger-counts .ledger-scroll td { text-align: right; }
.ledger-line { display: flex; flex-wrap: wrap; align-items: center; margin: 0.25rem 0; }
.ledger-line > span { flex: 0 0 10rem; }
.ledger-bar { display: flex; flex: 1 0 10rem; height: 1.1rem; border: 1px solid #888; }
.ledger-flask { white-space: nowrap; }
.ledger-drawn { position: absolute; }
.ledger svg { fill: none; stroke: currentColor; stroke-width: 1.4; stroke-linejoin: round;
  stroke-linecap: round; vertical-align: -0.15em; }
.ledger-rows .ledger-scroll { overflow: visible; background: none; }
.ledger-rows .ledger-scroll table,
.ledger-rows .ledger-scroll :is(caption, thead, tbody) { display: block; min-width: 0; }
.ledger-rows .ledger-scroll tr:not([hidden]) { display: grid; border-bottom: 1px solid #8886;
  grid-template-columns: 8.5rem minmax(0, 1fr) 8.5rem; padding-block: 0.5rem;
  content-visibility: auto; contain-intrinsic-size: auto 9rem;
  scroll-margin-top: calc(var(--ledger-bar, 4rem) + 0.5rem); }
.ledger-rows .ledger-scroll :is(th, td) { border: 0; padding: 0.1rem 0.5rem; min-width: 0; }
.ledger-rows .ledger-scroll tr > :nth-child(4) { grid-column: 2 / -1; }
.ledger-rows tbody th a { color: inherit; text-decoration: none; }
.ledger-rows tbody th a:is(:hover, :focus-visible) { text-decoration: underline; }
.ledger-rows tbody tr:target { background: #d9a5211f; box-shadow: inset 4px 0 #d9a521; }
.ledger-rows details { margin-top: 0.2rem; }
.ledger-rows details p { margin: 0.3rem 0; }
.ledger-rows summary { cursor: pointer; font-size: 0.82rem; color: var(--pst-color-link, inherit); }
.ledger-note { margin-top: 0.2rem; }
.ledger-formulas { display: flex; flex-wrap: wrap; gap: 0.3rem 2rem; margin: 0.4rem 0; }
.ledger-formula { min-width: 0; max-width: 100%; overflow-x: auto; overflow-y: hidden; }
.ledger-formula mjx-container[display=true] { margin: 0.2rem 0 !important; text-align: left
  !important; font-size: 100% !important; }
.bd-article .ledger-formula mjx-container[display=true] { background: none; }
.ledger-formula > code { white-space: pre-wrap; background: none; border: 0; padding: 0;
  color: inherit; }
.ledger-caption { font-size: 0.78rem; opacity: 0.85; }
.ledger-filter { display: flex; flex-wrap: wrap; align-items: end; gap: 0.5rem 0.75rem;
  position: sticky; top: 3rem; z-index: 2; padding: 0.5rem 0;
  background: var(--pst-color-background, Canvas); border-bottom: 1px solid #8886; }
.ledger-filter[hidden] { display: none; }
.ledger-filter label { display: flex; flex-direction: column; font-size: 0.8rem; margin: 0; }
.ledger-filter :is(input, select, button) { font: inherit; font-size: 0.9rem; color: inherit;
  background: var(--pst-color-surface, Field); border: 1px solid #888; border-radius: 0.25rem;
  padding: 0.25rem 0.4rem; max-width: 15rem; min-height: 2.1rem; }
.ledger-filter .ledger-find { flex-basis: 15rem; }
.ledger-filter ::placeholder { color: inherit; opacity: 0.75; }
.ledger-filter option { background: var(--pst-color-background, Canvas); }
.ledger-number { padding: 0.35rem 0; }
@media (min-width: 1400px) {
  .ledger-rows .ledger-scroll tr:not([hidden]) {
    grid-template-columns: 9rem minmax(0, 1fr) 8.5rem 12rem; }
  .ledger-rows .ledger-scroll tr > :nth-child(4) { grid-column: 4; }
}
:is(.cell_output, .cell_output div):has(.ledger-rows) { overflow: visible !important; }
body:has(.ledger-rows) .bd-sidebar-secondary { display: none; }
body:has(.ledger-rows) .bd-main .bd-content :is(.bd-article-container, .bd-article) {
  max-width: none; }
@media print {
  .ledger-filter { display: none; }
  .ledger-rows .ledger-scroll tr { break-inside: avoid; }
}
@media (max-width: 575px) {
  .ledger-filter { position: static; }
  .ledger-filter label { flex: 1 1 40%; }
  .ledger-filter :is(input, select) { max-width: none; width: 100%; }
  .ledger-filter .ledger-find { flex-basis: 100%; }
  .ledger-rows .ledger-scroll thead { display: none; }
  .ledger-rows .ledger-scroll tr:not([hidden]) { grid-template-columns: minmax(0, 1fr) auto;
    column-gap: 0.5rem; padding-inline: 0.4rem; scroll-margin-top: 0.5rem; }
  .ledger-rows .ledger-scroll :is(th, td) { padding: 0.1rem 0; }
  .ledger-rows .ledger-scroll tr > :nth-child(n + 2) { grid-column: 1 / -1; }
  .ledger-rows .ledger-scroll tr > td:nth-of-type(2) { grid-area: 1 / 2; }
  .ledger-counts .ledger-scroll table { min-width: 0; }
  .ledger-counts .ledger-scroll :is(thead, tbody) { display: block; }
  .ledger-counts .ledger-scroll tr { display: grid; grid-template-columns: repeat(6, 1fr);
    border-bottom: 1px solid #8886; }
  .ledger-counts .ledger-scroll :is(th, td) { border: 0; padding: 0.2rem 0.1rem; }
  .ledger-counts .ledger-scroll thead th { font-size: 0.72rem; text-align: right; }
  .ledger-counts .ledger-scroll :is(thead, tbody) th:first-child { grid-column: 1 / -1; }
  .ledger-counts .ledger-scroll thead th:first-child { display: none; }
}
"""
    + f"{_DARK} .bd-content div.cell_output .text_html:has(div.ledger) "
    + "{ background: none; color: inherit; padding: 0; }\n"
    + "".join(
        f".ledger-{verdict.replace(' ', '-')} {{ background: {back}; color: {ink}; }}\n"
        f"{_DARK} .ledger-{verdict.replace(' ', '-')} {{ background: {dark}; color: {pale}; }}\n"
        for verdict, (back, ink, dark, pale, _) in COLOURS.items()
    )
    + "</style>\n"
)
