// A sheet to draw on. Lines are numbers on a sheet of SIDE by SIDE and are sent whole, each time with a larger number,
// so that none is lost when the page is at work, and an old sheet never takes the place of a newer one.
const SIDE = 1000;
const PENS = [["thin pen", 6], ["pen", 14], ["thick pen", 30]];
const FIRST = 1; // of the pens
const RUBBER = 28; // radius
const APART = 3; // between two points of a line
const MOST_LINES = 600;
const MOST_PIECES = 1000; // of which rubbing makes no more
const MOST_POINTS = 20000;
const KEPT = 200; // sheets that can be gone back to
const PAUSE = 700; // milliseconds between two times that a line is sent while it is drawn
const STEP = 20; // by which an arrow key moves
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STORE = "unprompt-sheet";
const INK = "#111";
const ICONS = {
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
  clear: "M4 7h16M10 11v6M14 11v6M6 7l1 13h10l1-13M9 7V4h6v3",
};

const round = (value) => Math.round(value * 10) / 10;
const within = (value) => Math.min(Math.max(round(value), 0), SIDE);

// What is left of a line when a rubber of radius `rubber` is put at x, y: the line itself where it is not touched.
function cut(line, x, y, rubber) {
  const { pen, points } = line;
  const reach = rubber + pen / 2;
  if (points.length === 2) return Math.hypot(points[0] - x, points[1] - y) <= reach ? [] : [line];
  const pieces = [];
  let [piece, touched] = [[], false];
  const finish = () => {
    if (piece.length >= 4) pieces.push({ pen, points: piece });
    piece = [];
  };
  for (let at = 0; at + 3 < points.length; at += 2) {
    const [ax, ay, bx, by] = points.slice(at, at + 4);
    const [dx, dy, fx, fy] = [bx - ax, by - ay, ax - x, ay - y];
    const [a, b, c] = [dx * dx + dy * dy, fx * dx + fy * dy, fx * fx + fy * fy - reach * reach];
    const root = Math.sqrt(b * b - a * c); // NaN where the line through both points passes by
    // Of two points in one place both are touched or none.
    const [enters, leaves] = a ? [(-b - root) / a, (-b + root) / a] : c <= 0 ? [-Infinity, Infinity] : [NaN, NaN];
    if (!piece.length && !(enters <= 0)) piece.push(ax, ay);
    if (!(enters < 1 && leaves > 0)) {
      if (!piece.length) piece.push(ax, ay);
      piece.push(bx, by);
      continue;
    }
    touched = true;
    if (enters > 0) piece.push(round(ax + enters * dx), round(ay + enters * dy));
    finish();
    if (leaves < 1) piece.push(round(ax + leaves * dx), round(ay + leaves * dy), bx, by);
  }
  finish();
  return touched ? pieces : [line];
}

function button(name, press) {
  const one = document.createElement("button");
  Object.assign(one, { type: "button", title: name, ariaLabel: name, className: name.toLowerCase() });
  one.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name.toLowerCase()]}"/></svg>`;
  one.addEventListener("click", press);
  return one;
}

function tool(name, value, group) {
  const label = document.createElement("label");
  label.title = name;
  label.className = value ? "pen" : "rubber";
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: group, value, ariaLabel: name });
  const mark = document.createElement("i");
  if (value) mark.style.setProperty("--wide", `${4 + value / 2.4}px`);
  label.append(input, mark);
  return label;
}

function build(root) {
  const pad = document.createElement("div");
  pad.className = "pad";
  pad.innerHTML =
    '<div class="tools"><fieldset aria-label="Draw with"></fieldset><div class="steps"></div></div>' +
    '<div class="paper"><canvas tabindex="0" role="application"></canvas><p></p><b class="aim"></b></div>' +
    '<p class="told" role="status"></p>';
  root.append(pad);
  const [tools, steps] = [pad.querySelector("fieldset"), pad.querySelector(".steps")];
  const [canvas, empty] = [pad.querySelector("canvas"), pad.querySelector(".paper p")];
  const [aim, told] = [pad.querySelector(".aim"), pad.querySelector(".told")];
  const context = canvas.getContext("2d");
  const group = `pens-${Math.random()}`;
  tools.append(...PENS.map(([name, width]) => tool(name, width, group)), tool("rubber", 0, group));
  tools.querySelectorAll("input")[FIRST].checked = true;

  // `lines`: the sheet. `live`: the line that is drawn now. `before`, `after`: sheets to undo to and to do again.
  const state = { lines: [], live: null, before: [], after: [], number: 0, place: [SIDE / 2, SIDE / 2] };
  const chosen = () => Number(tools.querySelector("input:checked").value);
  const count = () => state.lines.reduce((sum, line) => sum + line.points.length / 2, 0);

  // --- how it looks
  const scale = () => canvas.width / SIDE;
  const trace = ({ pen, points }) => {
    context.beginPath();
    context.moveTo(points[0], points[1]);
    for (let at = 2; at + 3 < points.length; at += 2)
      context.quadraticCurveTo(points[at], points[at + 1], (points[at] + points[at + 2]) / 2, (points[at + 1] + points[at + 3]) / 2);
    context.lineTo(points.at(-2), points.at(-1));
    Object.assign(context, { lineWidth: pen, lineCap: "round", lineJoin: "round", strokeStyle: INK });
    context.stroke();
  };
  const show = () => {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale(), 0, 0, scale(), 0, 0);
    state.lines.forEach(trace);
    if (state.live?.points) trace(state.live);
    const [undo, redo, clear] = steps.children;
    undo.disabled = !state.before.length;
    redo.disabled = !state.after.length;
    clear.disabled = !state.lines.length;
    empty.hidden = state.lines.length > 0 || Boolean(state.live);
    Object.assign(aim.style, { left: `${state.place[0] / 10}%`, top: `${state.place[1] / 10}%` });
  };
  let asked = 0;
  const showSoon = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      show();
    });
  };
  new ResizeObserver(() => {
    const pixels = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    show();
  }).observe(canvas);

  // --- what is sent
  const send = (lines) => {
    state.number = Math.max(Date.now(), state.number + 1);
    state.sent = performance.now();
    keep(state.visit, lines);
    state.send("drawn", { sheet: state.sheet, number: state.number, lines });
  };
  const change = (lines, from = state.lines) => {
    state.before = [...state.before, from].slice(-KEPT);
    state.after = [];
    state.lines = lines;
    told.textContent = "";
    send(lines);
  };
  const go = (back, forth) => {
    if (!state[back].length || state.live) return;
    state[forth] = [...state[forth], state.lines];
    state.lines = state[back].at(-1);
    state[back] = state[back].slice(0, -1);
    send(state.lines);
    show();
  };
  const undo = () => go("before", "after");
  const redo = () => go("after", "before");
  const clear = () => {
    if (state.lines.length) change([]);
    show();
  };
  steps.append(button("Undo", undo), button("Redo", redo), button("Clear", clear));

  // --- a line, from where the pen is put down to where it is lifted
  const down = (x, y, pen) => {
    if (pen && (state.lines.length >= MOST_LINES || count() >= MOST_POINTS)) {
      told.textContent = "The sheet is full.";
      return;
    }
    state.live = pen ? { pen, points: [x, y] } : { from: state.lines, place: [x, y] };
    state.sent = performance.now();
    if (!pen) rub(x, y);
  };
  const rub = (x, y) => {
    const [fromX, fromY] = state.live.place;
    const steps = Math.max(1, Math.ceil(Math.hypot(x - fromX, y - fromY) / (RUBBER / 2)));
    for (let step = 1; step <= steps; step++) {
      const [atX, atY] = [fromX + ((x - fromX) * step) / steps, fromY + ((y - fromY) * step) / steps];
      const cutHere = (line) => {
        const left = cut(line, atX, atY, RUBBER);
        return left[0] !== line && state.lines.length >= MOST_PIECES ? [] : left;
      };
      state.lines = state.lines.flatMap(cutHere);
    }
    state.live.place = [x, y];
  };
  const move = (x, y) => {
    if (!state.live.points) return rub(x, y);
    const { points } = state.live;
    if (Math.hypot(x - points.at(-2), y - points.at(-1)) < APART) return;
    if (count() + points.length / 2 >= MOST_POINTS) return;
    points.push(x, y);
    if (performance.now() - state.sent > PAUSE) send([...state.lines, { ...state.live, points: [...points] }]);
  };
  const up = () => {
    const { live } = state;
    state.live = null;
    if (live?.points) change([...state.lines, live]);
    else if (live && (live.from.length !== state.lines.length || live.from.some((line, at) => line !== state.lines[at])))
      change(state.lines, live.from);
    show();
  };

  const at = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [within(((event.clientX - frame.left) / frame.width) * SIDE), within(((event.clientY - frame.top) / frame.height) * SIDE)];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (state.pointer != null || event.button > 0 && event.button !== 5) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.classList.remove("by-keys");
    if (state.live) up(); // one that keys had begun
    state.pointer = event.pointerId;
    canvas.setPointerCapture(event.pointerId);
    down(...at(event), event.buttons & 32 ? 0 : chosen()); // 32: the end of a pen that rubs out
    showSoon();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== state.pointer || !state.live) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) move(...at(one));
    showSoon();
  });
  const lift = (event) => {
    if (event.pointerId !== state.pointer) return;
    state.pointer = null;
    up();
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("lostpointercapture", lift);

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in MOVES) {
      state.place = state.place.map((value, axis) => within(value + STEP * MOVES[event.key][axis]));
      if (state.live) move(...state.place);
    } else if (event.key === "Enter" || event.key === " ") state.live ? up() : down(...state.place, chosen());
    else return;
    event.preventDefault();
    canvas.classList.add("by-keys");
    show();
  });
  canvas.addEventListener("focus", () => canvas.classList.toggle("by-keys", canvas.matches(":focus-visible")));
  canvas.addEventListener("blur", () => {
    canvas.classList.remove("by-keys");
    if (state.live && state.pointer == null) up();
  });
  pad.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || event.altKey || (key !== "z" && key !== "y")) return;
    key === "y" || event.shiftKey ? redo() : undo();
    event.preventDefault();
  });
  tools.addEventListener("input", () => canvas.classList.toggle("rubbing", !chosen()));
  return { canvas, empty, state, show, send };
}

const read = (lines) => lines.map(([pen, points]) => ({ pen, points }));
const write = (lines) => lines.map(({ pen, points }) => [pen, points]);
const alike = (lines, others) => JSON.stringify(write(lines)) === JSON.stringify(others);

// The browser's tab keeps the sheet for a visit that begins anew, as when the page is loaded again.
function keep(visit, lines) {
  try {
    sessionStorage.setItem(STORE, JSON.stringify({ visit, lines: write(lines) }));
  } catch {} // without room, or where it may not be kept, the sheet ends with the visit
}

function kept() {
  try {
    const { visit, lines } = JSON.parse(sessionStorage.getItem(STORE));
    return { visit, lines: read(lines) };
  } catch {
    return { lines: [] };
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const { canvas, empty, state, show, send } = (parentElement.pad ??= build(parentElement));
  state.send = (name, { sheet, number, lines }) => setStateValue(name, { sheet, number, lines: write(lines) });
  canvas.ariaLabel = data.says;
  empty.textContent = data.empty;
  const same = state.visit === data.visit;
  if (same && state.sheet === data.sheet) return;
  // Another sheet was put here: the one before can be gone back to, unless it looks the same.
  if (same && !alike(state.lines, data.lines)) state.before = [...state.before, state.lines].slice(-KEPT);
  const before = kept();
  const lost = before.visit !== data.visit && !data.lines.length ? before.lines : [];
  const lines = lost.length ? lost : read(data.lines);
  Object.assign(state, { visit: data.visit, sheet: data.sheet, lines, live: null, pointer: null, after: [] });
  keep(data.visit, lines);
  if (lost.length) send(lines);
  show();
}
