"""The script that draws an interactive figure on its page, from the page's own plotly.js."""

ROOT = "document.documentElement.dataset.content_root"  # Sphinx: the way up to the book's top
DRAW = """(() => {
  const node = document.getElementById("%(name)s");
  const figure = JSON.parse(document.getElementById("%(name)s-figure").textContent);
  figure.config = {responsive: true, displaylogo: false};
  const sliders = (figure.layout || {}).sliders || [];
  const joint = sliders.length > 1;  // the sliders choose a frame together
  if (joint) { sliders.forEach(s => s.steps.forEach(step => { step.method = "skip"; })); }
  const full = (figure.layout || {}).height;
  const instant = {mode: "immediate", transition: {duration: 0},
    frame: {duration: 0, redraw: true}};
  const show = name => Plotly.animate(node, [name], instant).catch(() => {});
  const chosen = () => node.layout.sliders.map(s => s.steps[s.active || 0].label).join("|");
  const point = event => {
    const name = event.points[0].customdata;
    if (!figure.frames.some(frame => frame.name === name) || name === chosen()) { return; }
    const moved = {};
    name.split("|").forEach((label, i) => {
      moved[`sliders[${i}].active`] = sliders[i].steps.findIndex(step => step.label === label);
    });
    Plotly.relayout(node, moved).then(() => show(name));
  };
  let shape;  // height over width of a plot whose axes have one scale, before anyone zooms
  const fit = () => {  // it leaves no blank on a narrow page
    const {xaxis: x, yaxis: y, yaxis2: another, _size: room, height} = node._fullLayout;
    if (!full || another || !y || !y.scaleanchor) { return; }
    shape = shape || Math.abs((y.range[1] - y.range[0]) / (x.range[1] - x.range[0]));
    const fitting = Math.min(full, Math.ceil(height - room.h + shape * room.w));
    if (fitting === height) { return; }
    node.style.height = `${fitting}px`;
    return Plotly.relayout(node, {height: fitting, autosize: true});
  };
  const draw = () => Plotly.newPlot(node, figure).then(fit).then(() => {
    node.on("plotly_relayout", fit);
    if (!joint) { return; }
    node.on("plotly_sliderchange", () => show(chosen()));
    node.on("plotly_hover", point);
    node.on("plotly_click", point);
  });
  if (window.Plotly) { draw(); return; }
  if (%(root)s === undefined) { return; }  // not in the book: the caption still tells the numbers
  let script = document.getElementById("plotly-js");
  if (!script) {
    script = document.createElement("script");
    script.id = "plotly-js";
    script.src = %(root)s + "vendor/plotly.min.js";
    document.head.append(script);
  }
  script.addEventListener("load", draw);
})();"""
