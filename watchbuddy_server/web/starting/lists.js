/** What there is to watch without a link: the server's library, and the sessions of late. */

import { listLibrary } from "../api.js";
import { button, clock, el, icon } from "../dom.js";
import { forgetSession, recentSessions } from "../keeping.js";
import { say } from "../words.js";

const entry = (title, detail) => [
  el("span", { class: "title", dir: "auto" }, title),
  el("span", { class: "length" }, detail),
];

/** @param {(videoUrl: string) => void} pick */
export function library(pick) {
  const list = el("ul");
  const element = el("section", { class: "library", hidden: true });

  async function show(offset) {
    const { videos, total } = await listLibrary(offset);
    const readable = videos.filter(({ duration }) => duration !== null);
    list.append(
      ...readable.map(({ video_url: url, title, duration }) =>
        el(
          "li",
          {},
          button(entry(title, clock(duration)), () => pick(url)),
        ),
      ),
    );
    const shown = offset + videos.length;
    const more = button(say("libraryMore"), () => show(shown), { class: "quiet" });
    const none = el("p", { class: "hint" }, say("noLibrary"));
    const rest = shown < total ? [more] : [];
    element.replaceChildren(el("h2", {}, say("library")), total ? list : none, ...rest);
    element.hidden = false;
  }

  show(0).catch(() => {}); // without it there is one list less to pick from
  return element;
}

/** @param {(sessionId: string) => void} watch */
export function recent(watch) {
  const element = el("section", { class: "recent" });

  function show() {
    const sessions = recentSessions();
    element.hidden = sessions.length === 0;
    const rows = sessions.map(({ id, title, character }) => {
      const label = say("forget", { title });
      const forget = button(icon("close"), () => gone(id), { label, class: "quiet forget" });
      const goOn = button(entry(title, character), () => watch(id), { title: say("goOn") });
      return el("li", {}, goOn, forget);
    });
    element.replaceChildren(el("h2", {}, say("recent")), el("ul", {}, rows));
  }

  function gone(id) {
    forgetSession(id);
    show();
  }

  show();
  return element;
}
