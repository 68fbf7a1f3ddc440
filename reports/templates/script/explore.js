// Zooming, panning, pointing: one window of time shared by all lanes.

// Never less than a thousandth of the whole: some histories last for microseconds.
const SHORTEST = Math.min(0.001, (meta.to - meta.from) / 1000);

function start(data) {
  const tip = one("#tip"), lanes = ["#lane-faults", "#lane-roles", "#lane-latency", "#lane-rate"].map(one);
  one("#explorer").hidden = false;
  one("#lane-names").replaceChildren(...meta.lanes.map(({ node }) => {
    const name = document.createElement("span");
    name.textContent = node;
    return name;
  }));

  let queued = false;
  function draw() {
    queued = false;
    readColours();
    drawFaults();
    drawRoles();
    drawLatency(data);
    drawRate(data);
    drawWindow(data);
    const count = firstFrom(data, view.to) - firstFrom(data, view.from);
    one("#range").textContent =
      `${moment(view.from)} – ${moment(view.to)} s · ${count.toLocaleString("en")} operations one by one`;
  }
  const redraw = () => {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  };
  function show(from, to) {
    const whole = meta.to - meta.from, span = Math.min(whole, Math.max(SHORTEST, to - from));
    view.from = Math.max(meta.from, Math.min(meta.to - span, from + (to - from - span) / 2));
    view.to = view.from + span;
    redraw();
  }
  // A violation in view stays in view, at its place.
  const centre = () =>
    meta.mark && view.from <= meta.mark.at && meta.mark.at <= view.to ? meta.mark.at : (view.from + view.to) / 2;
  const zoom = (factor, at = centre()) =>
    show(at - (at - view.from) * factor, at + (view.to - at) * factor);
  const pan = (share) => show(view.from + (view.to - view.from) * share, view.to + (view.to - view.from) * share);
  const actions = {
    violation: () => {
      if (!meta.mark) return;
      const times = meta.witness.map((operation) => operation[1]).concat(meta.mark.at);
      const reach = Math.max(0.5, (meta.mark.at - Math.min(...times)) * 1.4);
      if (meta.mark.until) {
        const around = Math.max(0.5, (meta.mark.until - meta.mark.at) / 8);
        show(meta.mark.at - around, meta.mark.until + around);
      } else show(meta.mark.at - Math.min(reach, 8), meta.mark.at + Math.min(reach, 8) * 0.4);
      one("#run").scrollIntoView();
    },
    in: () => zoom(0.5),
    out: () => zoom(2),
    back: () => pan(-0.25),
    on: () => pan(0.25),
    all: () => show(meta.from, meta.to),
  };
  all("[data-do]").forEach((button) => (button.onclick = actions[button.dataset.do]));
  all("[data-outcome]").forEach((button) => {
    button.onclick = () => {
      const shown = (view.shown[+button.dataset.outcome] = !view.shown[+button.dataset.outcome]);
      button.setAttribute("aria-pressed", String(shown));
      redraw();
    };
  });

  // Rows of faults, findings and logs lead to their moment in the charts.
  for (const row of all("[data-from]")) {
    const from = +row.dataset.from, to = +(row.dataset.to ?? from);
    const jump = (event) => {
      event.preventDefault();
      const room = Math.max(0.25, (to - from) * 0.3);
      show(from - room, to + room);
      view.cursor = from;
      one("#run").scrollIntoView();
    };
    row.title ||= "Show in the charts";
    if (row.tagName === "TR") row.tabIndex = 0;
    row.onclick = (event) => String(getSelection()) === "" && jump(event);
    row.onkeydown = (event) => event.key === "Enter" && jump(event);
  }

  const timeAt = (element, event) => view.from + (event.offsetX / element.clientWidth) * (view.to - view.from);
  for (const lane of lanes) point(lane);
  function point(lane) {
    let from = null;
    lane.onpointerdown = (event) => {
      from = timeAt(lane, event);
      lane.setPointerCapture(event.pointerId);
    };
    lane.onpointerup = (event) => {
      const to = timeAt(lane, event);
      // A click is not a zoom: the hand moves a little.
      if (from !== null && Math.abs(to - from) > (view.to - view.from) * 0.01)
        show(Math.min(from, to), Math.max(from, to));
      from = view.drag = null;
      redraw();
    };
    lane.onpointercancel = () => {
      from = view.drag = null;
      redraw();
    };
    lane.ondblclick = actions.all;
    lane.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      if (event.ctrlKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(lane, event));
      else pan((event.deltaY || event.deltaX) > 0 ? 0.1 : -0.1);
    }, { passive: false });
    lane.onpointermove = (event) => {
      view.cursor = timeAt(lane, event);
      view.drag = from === null ? null : [from, view.cursor];
      tip.textContent = describe(data, view.cursor, lane, event.offsetY);
      tip.style.display = "block";
      tip.style.left = Math.max(4, Math.min(innerWidth - tip.offsetWidth - 8, event.clientX + 14)) + "px";
      tip.style.top = Math.min(innerHeight - tip.offsetHeight - 8, event.clientY + 14) + "px";
      redraw();
    };
    lane.onpointerleave = () => {
      view.cursor = null;
      tip.style.display = "none";
      redraw();
    };
  }

  const strip = one("#lane-window");
  strip.onpointerdown = strip.onpointermove = (event) => {
    if (!(event.buttons & 1)) return;
    const centre = meta.from + (event.offsetX / strip.clientWidth) * (meta.to - meta.from);
    const half = (view.to - view.from) / 2;
    show(centre - half, centre + half);
  };

  const keys = {
    v: actions.violation, "+": actions.in, "=": actions.in, "-": actions.out, 0: actions.all,
    ArrowLeft: actions.back, ArrowRight: actions.on, t: switchTheme,
    c: () => one("[data-copy]")?.click(),
  };
  addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    // Arrows belong to whatever scrolls, unless the charts have the focus or nothing has.
    const busy = event.target.closest?.(".scroll, input, textarea, select");
    if (busy && event.key.startsWith("Arrow")) return;
    keys[event.key]?.();
  });

  const zoomWish = (wish.get("zoom") ?? "").split("-").map(Number);
  if (zoomWish.length === 2 && zoomWish[0] < zoomWish[1]) show(...zoomWish);
  onThemeChange.push(redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new ResizeObserver(redraw).observe(one("#lane-latency"));
  draw();
}

// What lies under the pointer: the time, the nearest operation, the fault, the roles.
function describe(data, time, lane, y) {
  const lines = [moment(time) + " s"];
  if (lane.id === "lane-latency") {
    const nearest = nearestOperation(data, time, lane, y);
    if (nearest !== null) lines.push(...operationWords(data, nearest));
  }
  for (const fault of meta.faults)
    if (fault.from <= time && time <= fault.to)
      lines.push(`fault ${fault.id}: ${fault.name} (${fault.nodes.join(" ")})`);
  for (const { node, spans } of meta.lanes) {
    const span = spans.find(([from, to]) => from <= time && time < to);
    if (span) lines.push(`${node} ${span[2]} t${span[3]}`);
  }
  return lines.join("\n");
}

function nearestOperation(data, time, lane, y) {
  const perPixel = (view.to - view.from) / lane.clientWidth, reach = 8;
  const height = +lane.dataset.height;
  let best = null, least = reach * reach;
  const last = firstFrom(data, time + reach * perPixel);
  for (let i = firstFrom(data, time - reach * perPixel); i < last; i++) {
    const dx = (data.begin[i] - time) / perPixel, dy = latencyY(height, data.latency[i]) - y;
    const distance = dx * dx + dy * dy;
    if (view.shown[data.outcome[i]] && distance < least) [best, least] = [i, distance];
  }
  return best;
}

function operationWords(data, i) {
  const key = data.key[i] ? " " + meta.keys[data.key[i] - 1] : "";
  const node = data.node[i] ? " → " + meta.nodes[data.node[i] - 1] : "";
  const outcome = ["ok", "rejected", "unknown"][data.outcome[i]];
  const took = data.open[i] ? "never answered" : `${data.latency[i].toFixed(2)} ms`;
  const words = [`client ${data.process[i]}${node}`, `${meta.functions[data.f[i]]}${key}: ${outcome}, ${took}`];
  const same = ([process, at]) => process === data.process[i] && Math.abs(at - data.begin[i]) < 2e-6;
  const told = meta.details.find(same), own = meta.witness.find(same);
  if (told) words.push(told[2]);
  if (own) words.push(`◆ ${own[2]}: ${own[3]}`);
  return words;
}

decode().then((data) => {
  start(data);
  root.dataset.ops = data.n;
  root.dataset.ready = Math.round(performance.now());
}).catch((error) => {
  // Without the charts the static picture must come back.
  root.classList.remove("live");
  root.dataset.failed = String(error);
  console.error(error);
});
