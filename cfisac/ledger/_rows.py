"""What a row of the ledger holds, and which rows a source must have."""

from dataclasses import dataclass

VERDICTS = {
    "definition": "introduces a symbol or a model; there is nothing to prove",
    "proved": "derived symbolically, step by step, with SymPy",
    "verified": "agrees with a brute-force computation to rounding or to sampling error",
    "conditional": "holds only under a condition that the source does not state, such as the "
    "repair of a row it builds on",
    "corrected": "wrong as printed; the book shows a counterexample and the repaired form",
    "refuted": "does not hold; the book computes a counterexample",
    "reconstructed": "missing from the text we worked from; the form shown is our own derivation",
    "not reproduced": "tried with the source's parameters, or ours, and something else came out",
    "open": "not judged yet",
}
NEEDS_NOTE = ("conditional", "corrected", "refuted", "not reproduced")
NEEDS_REPAIR = ("corrected", "refuted")
ERRATA = ("refuted", "corrected", "conditional")

TITLES = {
    "zhang": "Zhang and Pang",
    "fan_conf": "Fan et al., conference",
    "fan_journal": "Fan et al., journal",
    "liu": "Liu et al.",
    "commit": "CommIT web book",
}
# How many rows of each kind a source must have; equations have the empty kind.
REQUIRED = {
    "zhang": {"": 80, "theorem": 2, "claim": 3, "fig": 5, "headline": 9},
    "fan_conf": {
        "": 33, "proposition": 1, "lemma": 1, "algorithm": 1, "table": 1, "fig": 4, "headline": 10,
    },
    "fan_journal": {
        "": 64, "lemma": 2, "theorem": 1, "corollary": 1, "remark": 2, "algorithm": 3,
        "table": 5, "fig": 9, "headline": 13,
    },
    "liu": {
        "": 60, "lemma": 1, "theorem": 2, "algorithm": 3, "table": 1, "fig": 10, "headline": 10,
    },
    "commit": {
        "": 35, "theorem": 1, "example": 1, "fig": 1, "table": 1, "headline": 6,
    },
}  # fmt: skip
KIND_NAMES = {"": "equation", "fig": "figure"}


@dataclass(frozen=True)
class Row:
    """One row of the ledger; an empty ``note``, ``copy``, ``read``, ... means none.

    ``copy`` says what the conversion of the source to text may have lost or changed, where the
    verdict, or a part of the note, would be another if it had. ``repaired`` is the formula that
    holds, where the printed one does not: the label of an equation of the chapter, or LaTeX where
    the chapter says it in words only.

    Examples
    --------
    >>> from cfisac.ledger import Row
    >>> row = Row('zhang', 'zhang-41', 'closed-form bound', 'proved')
    >>> row.kind, row.name
    ('equation', '(41)')
    """

    source: str
    id: str
    what: str
    verdict: str
    note: str = ""
    copy: str = ""
    read: str = ""
    check: str = ""
    repaired: str = ""

    @property
    def local_id(self) -> str:
        """The id without the source, ``41`` or ``fig2``."""
        return self.id.removeprefix(f"{self.source}-")

    @property
    def kind(self) -> str:
        """equation, figure, table, algorithm, theorem, ...; what the id says."""
        prefix = self.local_id.rstrip("0123456789")
        return KIND_NAMES.get(prefix, prefix)

    @property
    def name(self) -> str:
        """As a reader would say it, ``(41)`` or ``Figure 2``."""
        number = self.local_id[len(self.local_id.rstrip("0123456789")) :]
        return f"({number})" if self.kind == "equation" else f"{self.kind.capitalize()} {number}"
