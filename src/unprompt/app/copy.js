// A button with data-copy copies the text beside it. Without https, as on a phone that reaches this machine by its
// address, browsers keep the clipboard from scripts: then as they did before.
export default function () {
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
    button.textContent = done ? "Copied" : "Select it to copy";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  document.addEventListener("click", onClick);
  return () => document.removeEventListener("click", onClick);
}
