/** The companion over the player of another page: the same modules, at a player that is framed. */

import { ApiError, createSession, deleteSession, listCharacters, socketUrl } from "./api.js";
import { Companion, FEATURES } from "./companion/companion.js";
import { Connection } from "./companion/connection.js";
import { Voice } from "./companion/voice.js";
import { button, el } from "./dom.js";
import { keep, kept, userId } from "./keeping.js";
import { FramedPlayer } from "./players/framed.js";
import { askWith } from "./token.js";
import { askForToken } from "./views/door.js";
import { Buddy } from "./watching/buddy.js";
import { inLanguage, language, say, sayError } from "./words.js";

/** Room for the face alone, with what it says, and with its menu. */
const ROOM = { silent: [130, 140], speaking: [430, 250], menu: [360, 400] };
const CORNER = { x: 1, y: 1 };

document.documentElement.lang = language;
const origins = document
  .querySelector("meta[name=watchbuddy-origins]")
  .content.split(" ")
  .filter(Boolean);
const player = new FramedPlayer(origins);
const voice = new Voice();
const overlay = el("main", { class: "overlay" });
document.body.append(overlay);

let page = null;
let watched = null;
let buddy = null;
let isMenuOpen = false;
let isTalking = false;
let isAsking = false;

askWith((isRefused) => {
  isAsking = true;
  room();
  return askForToken(isRefused).finally(() => {
    isAsking = false;
    room();
  });
});

function room() {
  const name = isMenuOpen || isAsking ? "menu" : isTalking ? "speaking" : "silent";
  player.askForRoom(...ROOM[name]);
}

// --- the menu -------------------------------------------------------------------------------

const status = el("p", { class: "status", role: "status" });
const who = el("select", {
  aria: { label: say("who") },
  on: {
    change: () => {
      keep("character", who.value);
      show();
    },
  },
});
const begin = button(say("go"), () => (watched ? stop() : start()));
const box = el("input", {
  type: "text",
  maxLength: 2000,
  autocomplete: "off",
  placeholder: say("talkHint"),
  aria: { label: say("send") },
});
const form = el(
  "form",
  {
    class: "row",
    hidden: true,
    on: {
      submit: (event) => {
        event.preventDefault();
        talk();
      },
    },
  },
  box,
  el("button", { type: "submit", class: "quiet" }, say("send")),
);
const menu = el(
  "div",
  { class: "menu", hidden: true },
  status,
  el("div", { class: "row" }, who, begin),
  form,
);
overlay.append(menu);

function toggle() {
  isMenuOpen = !isMenuOpen;
  menu.hidden = !isMenuOpen;
  room();
  if (isMenuOpen) (watched ? box : begin).focus();
}

function talk() {
  const text = box.value.trim();
  if (!text || !watched?.companion) return;
  watched.companion.say(text);
  box.value = "";
  status.textContent = say("thinking", { name: name() });
}

// --- the companion --------------------------------------------------------------------------

let characters = [];
const chosen = () => characters.find(({ id }) => id === who.value) ?? characters[0];
const name = () => inLanguage(chosen()?.name);

function show() {
  buddy?.close();
  buddy?.element.remove();
  buddy = new Buddy(chosen(), overlay, () => watched?.companion?.interrupt(), CORNER);
  buddy.element.querySelector(".portrait").addEventListener("click", toggle);
  buddy.element.querySelector(".portrait").addEventListener("keydown", ({ key }) => {
    if (key === "Enter" || key === " ") toggle();
  });
  overlay.append(buddy.element);
}

async function start() {
  if (!page) return;
  const session = (watched = { id: null, companion: null, connection: null });
  begin.textContent = say("cancel");
  who.disabled = true;
  status.textContent = say("fetching");
  try {
    session.id = await createSession({
      video_url: page.link,
      character_id: who.value,
      language,
      user_id: userId(),
    });
  } catch (error) {
    if (watched === session)
      fail(error instanceof ApiError ? sayError(error) : say("errors.INTERNAL_ERROR"));
    return;
  }
  if (watched !== session) return;
  session.connection = new Connection((isRefused) => socketUrl(session.id, FEATURES, isRefused));
  session.connection.addEventListener(
    "message",
    ({ detail }) => watched === session && hear(detail),
  );
  session.connection.addEventListener(
    "closed",
    ({ detail: { why } }) => watched === session && why !== "failed" && fail(say(why)),
  );
  session.connection.open();
}

function hear(message) {
  if (message.type === "progress") {
    status.textContent = say(message.stage);
  } else if (message.type === "processing_error") {
    fail(sayError({ code: message.error_code, message: message.message }));
  } else if (message.type === "session_ready" && !watched.companion) {
    join();
  } else if (message.type === "notice") {
    status.textContent = message.message;
  } else if (message.type === "reply_finished") {
    status.textContent = "";
  }
}

function join() {
  const companion = (watched.companion = new Companion({
    player,
    connection: watched.connection,
    voice,
    start: player.position,
  }));
  status.textContent = "";
  form.hidden = false;
  if (isMenuOpen) toggle();
  companion.addEventListener("begin", ({ detail: { action } }) => {
    if (action.action_type === "EXPRESSION") buddy.show(action.emotion);
    if (action.action_type !== "SPEAK") return;
    isTalking = true;
    room();
    buddy.say(action.text);
  });
  companion.addEventListener(
    "end",
    ({ detail: { action } }) => action.action_type === "SPEAK" && buddy.fallSilent(),
  );
  companion.addEventListener("speaking", ({ detail: { is } }) => (buddy.speaking = is));
  companion.begin();
}

function stop() {
  const { id, companion, connection } = watched;
  watched = null;
  companion?.close();
  connection?.close();
  if (id) deleteSession(id).catch(() => {}); // it goes by itself when nobody is there
  begin.textContent = say("go");
  who.disabled = false;
  form.hidden = true;
  status.textContent = "";
}

function fail(words) {
  stop();
  status.textContent = words;
  if (!isMenuOpen) toggle();
}

player.addEventListener("page", ({ detail }) => {
  if (watched && detail.link !== page?.link) stop();
  page = detail;
  room();
});
new MutationObserver(() => {
  const talks = buddy?.element.classList.contains("talks") ?? false;
  if (talks === isTalking) return;
  isTalking = talks;
  room();
}).observe(overlay, { subtree: true, attributes: true, attributeFilter: ["class"] });

try {
  characters = await listCharacters();
  who.append(
    ...characters.map(({ id, name: names }) => el("option", { value: id }, inLanguage(names))),
  );
  who.value = kept("character", characters[0].id);
  if (who.selectedIndex < 0) who.selectedIndex = 0;
  show();
} catch (error) {
  if (error.code !== "UNAUTHORIZED") throw error;
  overlay.remove(); // the viewer does not want to, and the site's page is no place to insist
}
