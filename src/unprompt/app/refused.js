// A file that the server had no room for (503): Streamlit says a number of it, and only to who points at it. Here the page
// is run anew, which says in words how large a file is taken.
export default function ({ setTriggerValue }) {
  const look = () => {
    for (const chip of document.querySelectorAll('[data-testid="stFileChip"][aria-invalid="true"]')) {
      if (chip.dataset.told || !chip.textContent.includes("503")) continue;
      chip.dataset.told = "yes"; // on the page, since this function is called again with each run
      setTriggerValue("refused", true);
    }
  };
  look();
  const observer = new MutationObserver(look);
  observer.observe(document.body, { childList: true, subtree: true });
  return () => observer.disconnect();
}
