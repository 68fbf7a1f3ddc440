// Decodes the columns that reports/src/page/columns.rs writes; the order is described there.

const meta = JSON.parse(one("#meta").textContent);

async function inflate() {
  const packed = Uint8Array.from(atob(one("#columns").textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Returns the operations as typed arrays, times in seconds on the run's clock.
async function decode() {
  const bytes = await inflate();
  const n = meta.count;
  let at = 0;
  const number = () => {
    let value = 0, scale = 1, byte;
    do {
      byte = bytes[at++];
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte & 128);
    return value;
  };
  const data = {
    n,
    begin: new Float64Array(n),
    latency: new Float32Array(n), // milliseconds
    process: new Uint32Array(n),
    outcome: new Uint8Array(n), // 0 ok, 1 rejected, 2 unknown
    open: new Uint8Array(n), // 1: never answered
    f: new Uint8Array(n),
    key: new Uint32Array(n),
    node: new Uint8Array(n),
    grid: null,
  };
  let time = 0;
  for (let i = 0; i < n; i++) data.begin[i] = meta.first + (time += number()) / 1e6;
  for (let i = 0; i < n; i++) data.latency[i] = number() / 1e3;
  for (let i = 0; i < n; i++) data.process[i] = number();
  for (let i = 0; i < n; i++) {
    const byte = bytes[at++];
    data.f[i] = byte >> 2;
    data.outcome[i] = Math.min(byte & 3, 2);
    data.open[i] = (byte & 3) === 3 ? 1 : 0;
    // An operation without an end lasts as long as the run: drawn at the top, where it belongs.
    if (data.open[i]) data.latency[i] = (meta.to - data.begin[i]) * 1e3;
  }
  for (let i = 0; i < n; i++) data.key[i] = number();
  for (let i = 0; i < n; i++) data.node[i] = bytes[at++];
  if (meta.grid) {
    const cells = meta.grid.columns * meta.grid.rows;
    const read = () => Uint16Array.from({ length: cells }, () => bytes[at++] | (bytes[at++] << 8));
    data.grid = [read(), read()];
  }
  return data;
}

// The index of the first operation that begins at or after a time.
function firstFrom(data, time) {
  let low = 0, high = data.n;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.begin[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
