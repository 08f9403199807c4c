/** A session: first it is prepared, then it is watched; or it has failed. */

import { deleteSession, listCharacters, sessionStatus, sessionVideo, socketUrl } from "../api.js";
import { FEATURES } from "../companion/companion.js";
import { Connection } from "../companion/connection.js";
import { Face } from "../companion/face.js";
import { button, el } from "../dom.js";
import { forgetSession, rememberSession } from "../keeping.js";
import { inLanguage, say, sayError } from "../words.js";
import { preparing } from "./preparing.js";
import { watching } from "./watching.js";

/** What may be otherwise the next time. */
const AGAIN = new Set(["UNREACHABLE", "UNAUTHORIZED"]);
const UNKNOWN = { id: "unknown", name: { en: "AI Watch Buddy", zh: "AI Watch Buddy" } };

/** @param {() => void} leave goes back to the start */
export function session(id, leave) {
  const element = el("div", { class: "session" });
  const listening = new AbortController();
  let character = null;
  let connection = null;
  let shown = null;
  const early = [];

  function show(view) {
    shown?.close?.();
    shown = view;
    element.replaceChildren(view.element);
    view.ready?.();
  }

  function fail(error) {
    connection?.close();
    if (error.code === "SESSION_NOT_FOUND") forgetSession(id);
    show(failure(error, { character, again: AGAIN.has(error.code) ? begin : null, leave }));
  }

  async function begin() {
    let status, characters;
    try {
      [status, characters] = await Promise.all([sessionStatus(id), listCharacters()]);
    } catch (error) {
      return fail(error);
    }
    character = characters.find((one) => one.id === status.character_id) ?? UNKNOWN;
    if (status.error) return fail(status.error);
    show(preparing({ character, cancel }));
    connection = new Connection((isRefused) => socketUrl(id, FEATURES, isRefused));
    const { signal } = listening;
    connection.addEventListener("message", ({ detail }) => hear(detail), { signal });
    connection.addEventListener("lost", () => shown.hear?.({ type: "lost" }), { signal });
    connection.addEventListener("closed", ({ detail }) => closed(detail.why), { signal });
    connection.open();
  }

  async function hear(message) {
    if (shown.companion) return;
    if (message.type === "processing_error") {
      fail({ code: message.error_code, message: message.message });
    } else if (message.type === "session_ready") {
      await enter();
    } else {
      early.push(message); // what is said before is said to who watches, too
      shown.hear?.(message);
    }
  }

  async function enter() {
    let video, density;
    try {
      [video, { density }] = await Promise.all([sessionVideo(id), sessionStatus(id)]);
    } catch (error) {
      return fail(error);
    }
    const title = video.title ?? video.video_url;
    document.title = `${title} · AI Watch Buddy`;
    rememberSession({ id, title, character: inLanguage(character.name) });
    if (shown.companion) return;
    show(watching({ id, video, character, connection, leave, density, early: early.splice(0) }));
  }

  function closed(why) {
    if (shown.closed) shown.closed(why);
    else if (why !== "failed")
      fail({ code: why === "gone" ? "SESSION_NOT_FOUND" : "INTERNAL_ERROR", message: say(why) });
  }

  async function cancel() {
    connection?.close();
    await deleteSession(id).catch(() => {}); // it goes by itself when nobody is there
    forgetSession(id);
    leave();
  }

  begin();
  return {
    element,
    close() {
      listening.abort();
      connection?.close();
      shown?.close?.();
    },
  };
}

/** What went wrong, and what to do next. */
function failure(error, { character, again, leave }) {
  const told = sayError(error);
  const face = new Face(character ?? UNKNOWN).wake();
  face.show("worry");
  face.element.setAttribute("aria-hidden", "true");
  const heading = el("h1", { tabIndex: -1 }, say("errorTitle"));
  const element = el(
    "main",
    { class: "panel failure" },
    el("div", { class: "portrait" }, face.element),
    heading,
    el("p", { role: "alert" }, told),
  );
  if (error.message && error.message !== told) {
    element.append(el("p", { class: "details", dir: "auto" }, error.message));
  }
  const retry = again ? button(say("retry"), again) : null;
  const other = button(say("other"), leave, again ? { class: "quiet" } : {});
  const actions = el("div", { class: "actions" }, retry, other);
  element.append(actions);
  return { element, ready: () => heading.focus(), close: () => face.close() };
}
