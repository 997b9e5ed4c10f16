// Pages that are equally good answers come in the order of the book, pages without a number last.
Scorer.score = ([, title, , , score]) =>
  score - (parseInt(title.replace(/<[^>]*>/g, "")) || 99) / 1000;
