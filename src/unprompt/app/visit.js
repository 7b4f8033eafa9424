// The browser's tab remembers its visit, so that what a visitor gave is still there when the page is loaded again.
const STORE = "unprompt-visit";

export default function ({ data, setTriggerValue }) {
  try {
    const before = sessionStorage.getItem(STORE);
    sessionStorage.setItem(STORE, data.token);
    if (before && before !== data.token) setTriggerValue("before", before);
  } catch {} // where nothing may be kept, a visit ends with the page
}
