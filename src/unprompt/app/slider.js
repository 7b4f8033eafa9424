// Two pictures in one frame: left of a handle is the one, right of it the other. The handle is a range input, so
// that mouse, touch and keys move it. Pictures far from square lie within a frame that is less so.
const NARROWEST = 0.5;
const WIDEST = 4;

export default function ({ data, parentElement }) {
  const frame = document.createElement("div");
  frame.className = "slider";
  frame.style.aspectRatio = Math.min(Math.max(data.shape, NARROWEST), WIDEST);
  const before = new Image();
  const after = new Image();
  [before.src, before.alt, after.src, after.alt] = [data.before, data.before_says, data.after, data.after_says];
  const handle = document.createElement("input");
  Object.assign(handle, { type: "range", min: 0, max: 100, step: 1, value: 50 });
  handle.setAttribute("aria-label", "Move between the picture and its page");
  const line = document.createElement("span");
  const move = () => {
    before.style.clipPath = `inset(0 ${100 - handle.value}% 0 0)`;
    after.style.clipPath = `inset(0 0 0 ${handle.value}%)`;
    line.style.left = `${handle.value}%`;
  };
  handle.addEventListener("input", move);
  frame.append(before, after, line, handle);
  const old = parentElement.querySelector(".slider");
  if (old) handle.value = old.querySelector("input").value;
  old?.remove();
  parentElement.append(frame);
  move();
}
