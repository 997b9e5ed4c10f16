/* Formulas, figures and folds get their height after the browser has gone to the place that an address names, and the
   place has moved: go there again whenever the text changes its height, until the reader moves. */
(() => {
  let moved = false;
  const stop = () => { moved = true; };
  for (const kind of ["wheel", "touchstart", "keydown", "pointerdown"])
    addEventListener(kind, stop, { once: true, passive: true });
  addEventListener("load", () => {
    const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const text = document.querySelector("article");
    if (!place || !text) return;
    const go = () => { if (!moved) place.scrollIntoView({ behavior: "instant" }); };
    const height = new ResizeObserver(() => requestAnimationFrame(go));
    height.observe(text);
    setTimeout(() => { height.disconnect(); go(); stop(); }, 6000);
  });
})();
