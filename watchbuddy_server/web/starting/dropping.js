/** A file that is dropped anywhere on the page. */

/**
 * @param {(file: File) => void} take
 * @param {AbortSignal} signal ends it
 */
export function takeDrops(take, signal) {
  const mark = (is) => document.body.classList.toggle("dropping", is);
  const holdsFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files") ?? false;
  const on = (type, act) => addEventListener(type, act, { signal });

  on("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  on("dragleave", ({ relatedTarget }) => relatedTarget === null && mark(false));
  on("drop", (event) => {
    mark(false);
    if (!holdsFiles(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
  signal.addEventListener("abort", () => mark(false));
}
