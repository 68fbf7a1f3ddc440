// Draws the lanes of the whole run on canvases that share one time axis.

const view = { from: meta.from, to: meta.to, shown: [true, true, true], cursor: null, drag: null };
// More ok points, or rejected marks, than this are drawn as a density; fewer one by one.
const MANY = 15000, MANY_MARKS = 3000;
const SLOWEST_MS = 30000, FASTEST_MS = 0.05;
const HATCH = { partition: 1, kill: -1, pause: 0, disk: 2, network: 2, clock: 1, cluster: 1 };
let colours = {};

function readColours() {
  const style = getComputedStyle(root);
  const get = (name) => style.getPropertyValue("--" + name).trim();
  colours = new Proxy({}, { get: (seen, name) => (seen[name] ??= get(name)) });
}

function canvas(id) {
  const element = one(id), ratio = Math.max(1, devicePixelRatio || 1);
  const width = element.clientWidth, height = +(element.dataset.height ??= element.getAttribute("height"));
  element.style.height = height + "px";
  element.width = Math.round(width * ratio);
  element.height = Math.round(height * ratio);
  const g = element.getContext("2d");
  g.scale(ratio, ratio);
  g.font = "11px system-ui, sans-serif";
  return { g, width, height, x: (time) => ((time - view.from) / (view.to - view.from)) * width };
}

function hatch(g, x, y, w, h, colour, gap, direction) {
  g.save();
  g.beginPath();
  g.rect(x, y, w, h);
  g.clip();
  g.strokeStyle = colour;
  g.lineWidth = 1;
  g.beginPath();
  if (direction === 2) for (let i = gap / 2; i < h; i += gap) g.moveTo(x, y + i), g.lineTo(x + w, y + i);
  else for (let i = -h; i < w + h; i += gap) {
    g.moveTo(x + i, y + (direction > 0 ? h : 0));
    g.lineTo(x + i + (direction ? h : 0), y + (direction > 0 ? 0 : h));
  }
  g.stroke();
  g.restore();
}

function label(g, text, x, y, width) {
  const room = g.measureText(text).width;
  const left = Math.max(2, Math.min(x, width - room - 4));
  g.globalAlpha = 0.85;
  g.fillStyle = colours.card;
  g.fillRect(left - 2, y - 10, room + 4, 14);
  g.globalAlpha = 1;
  g.fillStyle = colours.ink;
  g.fillText(text, left, y);
  return left + room + 6;
}

// Fault bands, the violation and the cursor, behind or across a lane.
function background({ g, width, height, x }) {
  for (const fault of meta.faults) {
    const left = x(fault.from), right = Math.max(x(fault.to), left + 1);
    if (right < 0 || left > width) continue;
    g.globalAlpha = 0.1;
    g.fillStyle = colours["f-" + fault.class];
    g.fillRect(left, 0, right - left, height);
    g.globalAlpha = 1;
  }
}

function foreground({ g, width, height, x }) {
  const line = (time, colour, dash) => {
    if (time < view.from || time > view.to) return;
    g.strokeStyle = colour;
    g.lineWidth = 1;
    g.setLineDash(dash);
    g.beginPath();
    g.moveTo(x(time), 0);
    g.lineTo(x(time), height);
    g.stroke();
    g.setLineDash([]);
  };
  if (meta.mark) line(meta.mark.at, colours.violation, [4, 3]);
  if (meta.mark && meta.mark.until) line(meta.mark.until, colours.violation, [4, 3]);
  if (view.cursor !== null) line(view.cursor, colours.muted, []);
  if (view.drag) {
    const [from, to] = view.drag.map(x);
    g.fillStyle = g.strokeStyle = colours.link;
    g.globalAlpha = 0.18;
    g.fillRect(Math.min(from, to), 0, Math.abs(to - from), height);
    g.globalAlpha = 1;
    g.strokeRect(Math.min(from, to) + 0.5, 0.5, Math.abs(to - from), height - 1);
  }
}

function drawFaults() {
  const lane = canvas("#lane-faults"), { g, width, height, x } = lane;
  let free = 0;
  for (const fault of meta.faults) {
    const left = x(fault.from), right = Math.max(x(fault.to), left + 2);
    if (right < 0 || left > width) continue;
    const colour = colours["f-" + fault.class];
    g.globalAlpha = 0.22;
    g.fillStyle = colour;
    g.fillRect(left, 4, right - left, height - 8);
    g.globalAlpha = 0.6;
    hatch(g, left, 4, right - left, height - 8, colour, 6, HATCH[fault.class] ?? 1);
    g.globalAlpha = 1;
    g.strokeStyle = colour;
    g.strokeRect(left + 0.5, 4.5, right - left - 1, height - 9);
  }
  for (const fault of meta.faults) {
    const left = Math.max(x(fault.from) + 4, 2);
    if (x(fault.to) < 0 || left > width) continue;
    const full = fault.id + " " + fault.kind, next = meta.faults.find((other) => other.from > fault.from);
    const room = next ? x(next.from) - left : width;
    if (left < free && g.measureText(String(fault.id)).width > room) continue;
    free = label(g, left < free || g.measureText(full).width > room ? String(fault.id) : full, left, 21, width);
  }
  foreground(lane);
}

function drawRoles() {
  const rows = Math.max(1, meta.lanes.length);
  one("#lane-roles").dataset.height ??= rows * 24 + 6;
  const lane = canvas("#lane-roles"), { g, width, x } = lane;
  background(lane);
  meta.lanes.forEach(({ spans }, row) => {
    const y = row * 24 + 4, h = 18;
    for (const [from, to, kind, term] of spans) {
      const left = Math.max(x(from), -5), right = Math.min(x(to), width + 5);
      if (right < 0 || left > width) continue;
      drawRole(g, kind, term, left, y, Math.max(1.5, right - left), h);
    }
  });
  foreground(lane);
}

function drawRole(g, kind, term, x, y, w, h) {
  const words = (text, colour) => {
    if (g.measureText(text).width + 12 > w) return false;
    g.fillStyle = colour;
    g.fillText(text, Math.max(x, 0) + 6, y + h / 2 + 4);
    return true;
  };
  if (kind === "follower") {
    g.fillStyle = colours.follower;
    g.fillRect(x, y + h / 2 - 2, w, 4);
  } else if (["leader", "stale", "rival"].includes(kind)) {
    g.fillStyle = colours.leader;
    g.fillRect(x, y, w, h);
    if (kind !== "leader") {
      g.strokeStyle = colours.bad;
      g.lineWidth = 2;
      g.setLineDash([4, 3]);
      g.strokeRect(x + 1, y + 1, Math.max(1, w - 2), h - 2);
      g.setLineDash([]);
    }
    const name = { leader: "leader t", stale: "stale leader t", rival: "second leader t" }[kind];
    words(name + term, colours["leader-text"]) || words("t" + term, colours["leader-text"]);
  } else if (kind === "candidate") {
    g.fillStyle = colours.candidate;
    g.fillRect(x, y + 2, w, h - 4);
    hatch(g, x, y + 2, w, h - 4, colours.card, 4, 1);
  } else if (kind === "paused") {
    g.globalAlpha = 0.3;
    g.fillStyle = colours.paused;
    g.fillRect(x, y, w, h);
    g.globalAlpha = 1;
    hatch(g, x, y, w, h, colours.paused, 5, 0);
  } else if (kind === "silent") {
    hatch(g, x, y + 3, w, h - 6, colours.down, 9, 1);
    words("silent", colours.down);
  } else {
    g.strokeStyle = colours.down;
    g.lineWidth = 1;
    g.setLineDash([2, 3]);
    g.strokeRect(x + 0.5, y + 3.5, Math.max(1, w - 1), h - 7);
    g.setLineDash([]);
    words("✝ down", colours.down) || words("✝", colours.down);
  }
}

const low = Math.log(FASTEST_MS), high = Math.log(SLOWEST_MS);
const latencyY = (height, ms) =>
  height - 6 - ((Math.log(Math.min(SLOWEST_MS, Math.max(FASTEST_MS, ms))) - low) / (high - low)) * (height - 14);

function drawLatency(data) {
  const lane = canvas("#lane-latency"), { g, width, height, x } = lane;
  background(lane);
  for (const ms of [0.1, 1, 10, 100, 1000, 10000]) {
    g.strokeStyle = colours.line;
    g.lineWidth = 1;
    g.beginPath();
    g.moveTo(0, latencyY(height, ms));
    g.lineTo(width, latencyY(height, ms));
    g.stroke();
  }
  const first = firstFrom(data, view.from - 0.0005), last = firstFrom(data, view.to);
  if (data.grid) drawGrid(data, lane);
  // Rejected below, ok above, unknown on top of both: what is rare must not be covered.
  const counts = [0, 0, 0];
  for (let i = first; i < last; i++) counts[data.outcome[i]]++;
  if (view.shown[1] && counts[1] > MANY_MARKS) drawDensity(data, lane, first, last, 1, 0.35);
  if (view.shown[0] && counts[0] > MANY) drawDensity(data, lane, first, last, 0, 1);
  else if (view.shown[0]) drawPoints(data, lane, first, last, counts[0]);
  if (view.shown[1] && counts[1] <= MANY_MARKS) drawMarks(data, lane, first, last, 1);
  if (view.shown[2]) drawMarks(data, lane, first, last, 2);
  foreground(lane);
  drawMark(lane);
  for (const ms of [0.1, 1, 10, 100, 1000, 10000]) label(g, String(ms), 2, latencyY(height, ms) + 4, width);
}

function drawPoints(data, { g, x, height }, first, last, count) {
  const size = count < 3000 ? 4 : 2.4;
  g.fillStyle = colours.ok;
  for (let i = first; i < last; i++)
    if (!data.outcome[i])
      g.fillRect(x(data.begin[i]) - size / 2, latencyY(height, data.latency[i]) - size / 2, size, size);
}

function drawDensity(data, { g, width, height, x }, first, last, outcome, strength) {
  const columns = Math.ceil(width / 2), rows = Math.ceil(height / 2);
  const cells = new Uint16Array(columns * rows);
  for (let i = first; i < last; i++) {
    if (data.outcome[i] !== outcome) continue;
    const column = x(data.begin[i]) >> 1, row = latencyY(height, data.latency[i]) >> 1;
    if (column >= 0 && column < columns && row >= 0 && row < rows) cells[row * columns + column]++;
  }
  // Full strength at half the peak: a dense run must not turn into one flat block.
  const full = Math.max(6, cells.reduce((most, count) => Math.max(most, count), 0) / 2);
  g.fillStyle = outcome ? colours.fail : colours.ok;
  for (let cell = 0; cell < cells.length; cell++)
    if (cells[cell]) {
      g.globalAlpha = strength * (0.25 + 0.75 * Math.min(1, cells[cell] / full));
      g.fillRect((cell % columns) * 2, Math.floor(cell / columns) * 2, 2, 2);
    }
  g.globalAlpha = 1;
}

// One by one, told apart by shape: × rejected, △ unknown. No unknown operation is ever left out.
function drawMarks(data, { g, height, x }, first, last, outcome) {
  g.strokeStyle = outcome === 1 ? colours.fail : colours.info;
  g.lineWidth = outcome === 1 ? 1 : 1.4;
  g.beginPath();
  for (let i = first; i < last; i++) {
    if (data.outcome[i] !== outcome) continue;
    const px = x(data.begin[i]), py = latencyY(height, data.latency[i]);
    if (outcome === 1) {
      g.moveTo(px - 2.5, py - 2.5), g.lineTo(px + 2.5, py + 2.5);
      g.moveTo(px - 2.5, py + 2.5), g.lineTo(px + 2.5, py - 2.5);
    } else {
      g.moveTo(px, py - 4), g.lineTo(px + 4, py + 3), g.lineTo(px - 4, py + 3), g.closePath();
    }
  }
  g.stroke();
}

// Operations that are in the page as counts only.
function drawGrid(data, { g, width, height, x }) {
  const { columns, rows, fastest, perDecade } = meta.grid, step = (meta.to - meta.first) / columns;
  const from = Math.max(0, Math.floor((view.from - meta.first) / step));
  const to = Math.min(columns, Math.ceil((view.to - meta.first) / step));
  for (const outcome of [1, 0]) {
    if (!view.shown[outcome]) continue;
    g.fillStyle = outcome ? colours.fail : colours.ok;
    for (let row = 0; row < rows; row++) {
      const ms = (fastest / 1e3) * 10 ** (row / perDecade);
      const top = latencyY(height, ms * 10 ** (1 / perDecade)), bottom = latencyY(height, ms);
      for (let column = from; column < to; column++) {
        const count = data.grid[outcome][row * columns + column];
        if (!count) continue;
        const left = x(meta.first + column * step), right = x(meta.first + (column + 1) * step);
        g.globalAlpha = (outcome ? 0.35 : 1) * (0.15 + 0.75 * Math.min(1, Math.log2(1 + count) / 7));
        g.fillRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
      }
    }
  }
  g.globalAlpha = 1;
}

function drawMark({ g, width, height, x }) {
  if (!meta.mark || meta.mark.at < view.from || meta.mark.at > view.to) return;
  // At the operation that fits nowhere, or at the top where there is none.
  const px = x(meta.mark.from ?? meta.mark.at);
  const py = meta.mark.latency === null ? 26 : latencyY(height, meta.mark.latency);
  g.fillStyle = colours.violation;
  g.beginPath();
  g.moveTo(px, py - 7), g.lineTo(px + 7, py), g.lineTo(px, py + 7), g.lineTo(px - 7, py);
  g.fill();
  g.strokeStyle = colours.card;
  g.stroke();
  const text = "◆ " + meta.mark.name, room = g.measureText(text).width + 8;
  const left = px + room + 12 > width ? px - room - 10 : px + 10;
  g.fillRect(left, py - 8, room, 16);
  g.fillStyle = colours.card;
  g.fillText(text, left + 4, py + 4);
}

// Counts by outcome in equal bins of time, of completions.
function rates(data, from, to, bins) {
  const sums = [0, 1, 2].map(() => new Float64Array(bins)), step = (to - from) / bins;
  const slowest = 12; // seconds an operation may have begun before the window and still end in it
  for (let i = firstFrom(data, from - slowest), last = firstFrom(data, to); i < last; i++) {
    const bin = Math.floor((data.begin[i] + (data.open[i] ? 0 : data.latency[i] / 1e3) - from) / step);
    if (bin >= 0 && bin < bins) sums[data.outcome[i]][bin] += 1 / step;
  }
  if (data.grid) addGrid(data, sums, from, to, bins, step);
  return sums;
}

function addGrid(data, sums, from, to, bins, step) {
  const { columns, rows } = meta.grid, wide = (meta.to - meta.first) / columns;
  for (let outcome = 0; outcome < 2; outcome++)
    for (let column = 0; column < columns; column++) {
      const left = meta.first + column * wide;
      if (left + wide < from || left > to) continue;
      let count = 0;
      for (let row = 0; row < rows; row++) count += data.grid[outcome][row * columns + column];
      // A cell is spread over the bins it overlaps, by how much it overlaps each.
      const a = Math.max(0, Math.floor((left - from) / step));
      const b = Math.min(bins - 1, Math.floor((left + wide - from) / step));
      for (let bin = a; bin <= b; bin++) {
        const overlap = Math.min(from + (bin + 1) * step, left + wide) - Math.max(from + bin * step, left);
        sums[outcome][bin] += (count / step) * Math.max(0, overlap / wide);
      }
    }
}

function drawBars({ g, width }, sums, most, bottom, height) {
  const bins = sums[0].length, wide = width / bins;
  for (let bin = 0; bin < bins; bin++) {
    let y = bottom;
    ["ok", "fail", "info"].forEach((name, outcome) => {
      if (!view.shown[outcome] || !sums[outcome][bin]) return;
      const h = (sums[outcome][bin] / most) * height;
      g.fillStyle = colours[name];
      g.fillRect(bin * wide, y - h, wide + 0.3, h);
      y -= h;
    });
  }
}

const highest = (sums) =>
  sums[0].reduce((most, _, bin) => Math.max(most, sums[0][bin] + sums[1][bin] + sums[2][bin]), 1);

function drawRate(data) {
  const lane = canvas("#lane-rate"), { g, width, height, x } = lane;
  background(lane);
  const sums = rates(data, view.from, view.to, Math.max(40, Math.floor(width / 3)));
  const most = highest(sums) * 1.08;
  drawBars(lane, sums, most, height - 16, height - 20);
  foreground(lane);
  label(g, Math.round(most / 1.08) + "/s", 2, 12, width);
  const span = view.to - view.from;
  const step = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600]
    .find((s) => span / s <= Math.max(3, width / 80)) ?? 7200;
  g.fillStyle = colours.muted;
  for (let tick = Math.ceil(view.from / step); tick * step <= view.to; tick++) {
    const px = x(tick * step);
    g.fillRect(px, height - 16, 1, 4);
    g.fillText(+moment(tick * step) + " s", px + 3, height - 3);
  }
}

// Seconds, as fine as the part in view asks for.
function moment(seconds) {
  return seconds.toFixed(view.to - view.from < 0.01 ? 6 : 3);
}

// The whole run in small, with the part in view.
function drawWindow(data) {
  const lane = canvas("#lane-window"), { g, width, height } = lane;
  const whole = (time) => ((time - meta.from) / (meta.to - meta.from)) * width;
  view.whole ??= rates(data, meta.from, meta.to, 300);
  g.globalAlpha = 0.45;
  drawBars(lane, view.whole, highest(view.whole), height - 2, height - 6);
  g.globalAlpha = 1;
  const left = whole(view.from), right = Math.max(whole(view.to), left + 3);
  g.fillStyle = colours.soft;
  g.globalAlpha = 0.75;
  g.fillRect(0, 0, left, height);
  g.fillRect(right, 0, width - right, height);
  g.globalAlpha = 1;
  g.strokeStyle = colours.link;
  g.lineWidth = 1.5;
  g.strokeRect(left + 0.75, 1.5, Math.max(2, right - left - 1.5), height - 3);
  if (meta.mark) {
    g.fillStyle = colours.violation;
    g.fillText("◆", whole(meta.mark.at) - 5, 12);
  }
}
