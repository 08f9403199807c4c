/**
 * The page: the start, or a session, by what stands behind the `#` of its address.
 *
 * A session's id is the key to it. Behind the `#` it stays in the browser: no server sees it in
 * an address, and no other site in a referrer.
 */

import { askWith } from "./token.js";
import { language, say } from "./words.js";
import { askForToken } from "./views/door.js";
import { session } from "./views/session.js";
import { start } from "./views/start.js";

const page = document.getElementById("page");
let shown = null;

const SESSION = /^#(ses_[0-9a-f]{16})$/;

function show() {
  shown?.close();
  const id = SESSION.exec(location.hash)?.[1];
  shown = id ? session(id, leave) : start(watch);
  document.title = "AI Watch Buddy";
  page.replaceChildren(shown.element);
  shown.ready?.();
}

const watch = (id) => (location.hash = `#${id}`);

function leave() {
  history.pushState(null, "", location.pathname + location.search);
  show();
}

askWith(askForToken);
document.documentElement.lang = language;
addEventListener("hashchange", show);
addEventListener("pagehide", ({ persisted }) => persisted || shown?.close());
document.documentElement.style.setProperty("--drop-words", JSON.stringify(say("dropHere")));
show();
