// Line art in colour, and crayons to tap its parts with. Taps are numbered and sent as a list, so that none is lost
// when two come while the page is at work.
const KEPT = 32; // taps that are sent again and again; the page takes each once
const STEP = 0.02; // of the picture, by which an arrow key moves
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PAPER = "paper";
const NARROWEST = 0.3; // shapes of the sheet; pictures beyond them lie within it
const WIDEST = 6;

function crayon(name, colour, group) {
  const label = document.createElement("label");
  label.className = colour === PAPER ? "crayon rubber" : "crayon";
  label.title = name;
  if (colour !== PAPER) label.style.setProperty("--wax", colour);
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: group, value: colour, ariaLabel: name });
  label.append(input, document.createElement("i"));
  return label;
}

function build(root) {
  const easel = document.createElement("div");
  easel.className = "easel";
  easel.innerHTML =
    '<fieldset><legend></legend><div class="box"></div></fieldset>' +
    '<div class="sheet" tabindex="0" role="button"><img draggable="false"><b class="aim"></b></div>';
  root.append(easel);
  const [legend, box] = [easel.querySelector("legend"), easel.querySelector(".box")];
  const [sheet, picture, aim] = ["sheet", "sheet img", "aim"].map((name) => easel.querySelector(`.${name}`));
  const state = { taps: [], place: [0.5, 0.5], crayons: "" };

  // Where the picture lies in the sheet, in pixels, and how large.
  const inside = () => {
    const [width, height] = [sheet.clientWidth, sheet.clientHeight];
    const scale = Math.min(width / picture.naturalWidth, height / picture.naturalHeight);
    const [wide, high] = [picture.naturalWidth * scale, picture.naturalHeight * scale];
    return { left: (width - wide) / 2, top: (height - high) / 2, wide, high };
  };
  const put = (mark, x, y) => {
    const { left, top, wide, high } = inside();
    Object.assign(mark.style, { left: `${left + x * wide}px`, top: `${top + y * high}px` });
  };
  const chosen = () => box.querySelector("input[type=radio]:checked");
  const say = () => {
    const one = chosen();
    const name = one?.closest("label").title ?? "";
    legend.textContent = `Tap a crayon, then the part to colour: ${name}`;
    sheet.style.setProperty("--wax", one && one.value !== PAPER ? one.value : "#fff");
  };
  const tap = (x, y) => {
    const one = chosen();
    if (!one) return;
    const mark = document.createElement("s");
    put(mark, x, y);
    mark.addEventListener("animationend", () => mark.remove());
    sheet.append(mark);
    const number = Math.max(Date.now(), (state.taps.at(-1)?.number ?? 0) + 1);
    state.taps = [...state.taps, { number, work: state.work, x, y, colour: one.value }].slice(-KEPT);
    state.send("taps", state.taps);
  };

  picture.addEventListener("click", (event) => {
    const frame = sheet.getBoundingClientRect();
    const { left, top, wide, high } = inside();
    const [x, y] = [(event.clientX - frame.left - left) / wide, (event.clientY - frame.top - top) / high];
    if (x >= 0 && x <= 1 && y >= 0 && y <= 1) tap(x, y);
  });
  sheet.addEventListener("keydown", (event) => {
    if (event.key in MOVES) {
      state.place = state.place.map((at, axis) => Math.min(Math.max(at + STEP * MOVES[event.key][axis], 0), 1));
      put(aim, ...state.place);
    } else if (event.key === "Enter" || event.key === " ") tap(...state.place);
    else return;
    event.preventDefault();
  });
  box.addEventListener("input", (event) => {
    if (event.target.type === "color") {
      const label = event.target.closest(".own").previousElementSibling;
      label.hidden = false;
      label.querySelector("input").value = label.title = event.target.value;
      label.style.setProperty("--wax", event.target.value);
      label.querySelector("input").checked = true;
    }
    say();
  });
  sheet.addEventListener("focus", () => put(aim, ...state.place));
  return { box, picture, sheet, say, state, chosen };
}

function fill({ box, say, chosen }, data) {
  const before = chosen()?.value;
  const group = `crayons-${Math.random()}`;
  box.replaceChildren(...data.crayons.map(([name, colour]) => crayon(name, colour, group)), crayon("paper, to rub out", PAPER, group));
  if (data.own) {
    const mixed = crayon("#8b5a2b", "#8b5a2b", group);
    mixed.hidden = true;
    const own = document.createElement("label");
    own.className = "own";
    own.title = "another colour";
    own.innerHTML = '<input type="color" value="#8b5a2b" aria-label="another colour">';
    box.append(mixed, own);
  }
  const inputs = [...box.querySelectorAll("input[type=radio]")];
  (inputs.find((one) => one.value === before && !one.closest("label").hidden) ?? inputs[data.first]).checked = true;
  say();
}

export default function ({ data, parentElement, setStateValue }) {
  const parts = (parentElement.easel ??= build(parentElement));
  const { picture, sheet, state } = parts;
  state.send = setStateValue;
  state.work = data.work;
  if (picture.src !== data.src) picture.src = data.src;
  picture.alt = data.says;
  sheet.ariaLabel = `${data.says}. Arrow keys move, Enter colours.`;
  sheet.style.setProperty("--shape", Math.min(Math.max(data.shape, NARROWEST), WIDEST));
  const crayons = JSON.stringify(data.crayons);
  if (crayons !== state.crayons) {
    state.crayons = crayons;
    fill(parts, data);
  }
}
