// Pictures that are pasted anywhere on the page go to its first uploader that has none yet.
export default function () {
  const onPaste = (event) => {
    const pictures = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    const uploaders = [...document.querySelectorAll('[data-testid="stFileUploader"]')];
    if (!pictures.length || !uploaders.length) return;
    const empty = uploaders.find((uploader) => !uploader.querySelector('[data-testid="stFileChip"]'));
    const input = (empty ?? uploaders[0]).querySelector('input[type="file"]');
    const transfer = new DataTransfer();
    for (const picture of input.multiple ? pictures : pictures.slice(0, 1)) transfer.items.add(picture);
    event.preventDefault();
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  document.addEventListener("paste", onPaste);
  return () => document.removeEventListener("paste", onPaste);
}
