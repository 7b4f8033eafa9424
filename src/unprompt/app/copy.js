// A button with data-copy copies the text beside it. Without https, as on a phone that reaches this machine by its
// address, browsers keep the clipboard from scripts: then as they did before. Screen readers read a button's label and
// not its text, so they are told what came of it beside it.
export default function () {
  const told = document.createElement("p");
  told.setAttribute("role", "status");
  told.style.cssText = "position: fixed; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%)";
  document.body.append(told);
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      area.style.cssText = "position: fixed; top: 0; opacity: 0";
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };
  const onClick = async (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (!button) return;
    const done = await copy(button.closest(".copyable").querySelector(".text").textContent);
    button.focus();
    told.textContent = button.textContent = done ? "Copied" : "Select it to copy";
    setTimeout(() => { button.textContent = "Copy"; told.textContent = ""; }, 2000);
  };
  document.addEventListener("click", onClick);
  return () => {
    document.removeEventListener("click", onClick);
    told.remove();
  };
}
