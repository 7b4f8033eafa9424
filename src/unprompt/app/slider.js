// A picture over another: what lies right of a handle is the upper one. The handle is a range input, so that
// mouse, touch and keys move it.
export default function ({ data, parentElement }) {
  const frame = document.createElement("div");
  frame.className = "slider";
  const before = new Image();
  const after = new Image();
  [before.src, before.alt, after.src, after.alt] = [data.before, data.before_says, data.after, data.after_says];
  const handle = document.createElement("input");
  Object.assign(handle, { type: "range", min: 0, max: 100, step: 1, value: frame.dataset.at ?? 50 });
  handle.setAttribute("aria-label", "Move between the picture and its page");
  const line = document.createElement("span");
  const move = () => {
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
