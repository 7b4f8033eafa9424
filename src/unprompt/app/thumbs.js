// Small pictures beside each other, of which one is taken.
export default function ({ data, parentElement, setTriggerValue }) {
  let row = parentElement.querySelector(".thumbs");
  if (!row) {
    row = document.createElement("div");
    row.className = data.strip ? "thumbs strip" : "thumbs";
    parentElement.append(row);
  }
  row.take = (number) => setTriggerValue("picked", number);
  const shown = JSON.stringify(data);
  if (row.shown === shown) return; // a button that is exchanged while it is pressed is not clicked
  row.shown = shown;
  const focused = [...row.children].findIndex((one) => one.matches(":focus"));
  row.replaceChildren(
    ...data.pictures.map(([src, says], number) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", title: says, ariaLabel: says, ariaPressed: number === data.chosen });
      const picture = new Image();
      Object.assign(picture, { src, alt: "" });
      button.append(picture);
      button.addEventListener("click", () => row.take(number));
      return button;
    }),
  );
  row.children[focused]?.focus();
}
