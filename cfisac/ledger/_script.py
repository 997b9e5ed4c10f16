"""What makes the tables of the ledger work on a page: filters, links to rows, typesetting.

Formulas are set when their row comes near the window, or before the page is printed; setting
them all at once would take seconds. MathJax is the page's own. Nothing is asked of anybody.
"""

SCRIPT = r"""<script>
(() => {
const words = text => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, ' ').trim();
let size = null;  // asking for it lays out the whole page: once is enough
const metrics = node => size || (size = MathJax.getMetricsFor(node, true));

function put(code, made) {
  made.setAttribute('display', 'true');
  code.replaceWith(made);
}
function styled() {  // letters that have not been used before need their style
  MathJax.startup.document.clear();
  MathJax.startup.document.updateDocument();
}
let turn = Promise.resolve();
function set(codes) {
  turn = turn.then(async () => {
    codes = codes.filter(code => code.isConnected);
    const made = [];
    for (const code of codes) {
      made.push(await MathJax.tex2chtmlPromise(code.textContent, metrics(code.parentElement)));
    }
    styled();
    codes.forEach((code, i) => code.isConnected && put(code, made[i]));
  });
}
function setAtOnce(codes) {
  const made = codes.map(
    code => MathJax.tex2chtml(code.textContent, metrics(code.parentElement)));
  styled();
  codes.forEach((code, i) => put(code, made[i]));
}

function prepare(box) {
  box.dataset.ready = 'yes';
  const form = box.querySelector('form'), fields = [...form.querySelectorAll('input, select')];
  const rows = [...box.querySelectorAll('tbody tr')], number = form.querySelector('[role=status]');
  const waiting = () => rows.filter(row => !row.hidden)
    .flatMap(row => [...row.querySelectorAll('.ledger-formula > code')]);
  const open = row => row.querySelectorAll('details').forEach(each => { each.open = true; });
  let texts = null;

  const read = row => {
    const copy = row.cloneNode(true);
    copy.querySelectorAll('.ledger-formula').forEach(each => each.remove());
    const name = words(row.id.replace(/(\D)(\d)/g, '$1 $2') + ' ' + row.cells[0].textContent);
    const kind = /-\d/.test(row.id) ? ' equation' : '';
    return {name: ` ${name}${kind} `, all: ` ${words(copy.textContent)} `};
  };
  // a number is a whole word, anything else the beginning of one
  const has = (text, term) => text.includes(/^\d+$/.test(term) ? ` ${term} ` : ` ${term}`);

  function filter() {
    const value = Object.fromEntries(fields.map(field => [field.name, field.value]));
    const terms = words(value.text).split(' ').filter(Boolean);
    let shown = rows.map(row => (!value.source || row.dataset.source == value.source)
      && (!value.verdict || row.dataset.show.includes(value.verdict))
      && (!value.chapter || row.dataset.chapter == value.chapter));
    if (terms.length) {  // what a row is called comes first; if no row is called so, all it says
      texts = texts || rows.map(read);
      const found = key => rows.map(
        (row, i) => shown[i] && terms.every(term => has(texts[i][key], term)));
      const called = found('name');
      shown = called.some(Boolean) ? called : found('all');
    }
    rows.forEach((row, i) => { row.hidden = !shown[i]; });
    const count = shown.filter(Boolean).length;
    number.textContent = count == rows.length ? `${count} rows` : `${count} of ${rows.length} rows`;
    if (count <= 3) { rows.filter(row => !row.hidden).forEach(open); }
  }
  function remember() {
    const query = new URLSearchParams(
      fields.filter(field => field.value).map(field => [field.name, field.value])).toString();
    try { history.replaceState(null, '', query ? `?${query}` : location.pathname); } catch (e) {}
  }
  function go() {
    box.style.setProperty('--ledger-bar', `${form.offsetHeight}px`);
    const row = rows.find(each => '#' + each.id == decodeURIComponent(location.hash));
    if (!row) { return; }
    if (row.hidden) { form.reset(); filter(); }
    open(row);
    row.scrollIntoView({block: 'start', behavior: 'instant'});
    return row;
  }
  // until the reader moves, a page that is still growing does not push the row away
  let moved = false;
  for (const kind of ['wheel', 'touchmove', 'keydown', 'pointerdown']) {
    window.addEventListener(kind, () => { moved = true; }, {once: true, passive: true});
  }
  const stay = () => { if (!moved) { go(); } };

  form.hidden = false;
  form.addEventListener('submit', event => event.preventDefault());
  form.addEventListener('input', () => { filter(); remember(); });
  form.addEventListener('reset', () => setTimeout(() => { filter(); remember(); }));
  const query = new URLSearchParams(location.search);
  fields.forEach(field => { field.value = query.get(field.name) || ''; });
  filter();
  window.addEventListener('hashchange', go);
  go();

  const maths = () => window.MathJax && MathJax.startup && MathJax.startup.promise;
  const start = () => maths() && MathJax.startup.promise.then(() => {
    const near = new IntersectionObserver(entries => {
      const seen = entries.filter(entry => entry.isIntersecting).map(entry => entry.target);
      seen.forEach(row => near.unobserve(row));
      seen.forEach(row => set([...row.querySelectorAll('.ledger-formula > code')]));
      turn.then(stay);
    }, {rootMargin: '900px 0px'});
    const target = moved ? null : go();
    if (target) { set([...target.querySelectorAll('.ledger-formula > code')]); }
    rows.filter(row => row.querySelector('.ledger-formula')).forEach(row => near.observe(row));
  });
  document.readyState == 'complete' ? start() : window.addEventListener('load', () => {
    stay();
    start();
  });

  let opened = [];
  window.addEventListener('beforeprint', () => {
    opened = rows.flatMap(row => [...row.querySelectorAll('details:not([open])')]);
    opened.forEach(each => { each.open = true; });
    if (maths()) { setAtOnce(waiting()); }
  });
  window.addEventListener('afterprint', () => opened.forEach(each => { each.open = false; }));
}
document.querySelectorAll('.ledger-rows:not([data-ready])').forEach(prepare);
})();
</script>
"""
