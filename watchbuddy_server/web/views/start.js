/** Where everything begins: what to watch, and with whom. */

import { ApiError, createSession, listCharacters, listLibrary, upload } from "../api.js";
import { Face, lookOf } from "../companion/face.js";
import { clock, el, icon, secondsOf } from "../dom.js";
import { forgetSession, keep, kept, recentSessions, userId } from "../keeping.js";
import { inLanguage, language, say, sayError } from "../words.js";

const DENSITIES = ["", "quiet", "normal", "chatty", "muted"];

/** @param {(sessionId: string) => void} watch is told which session was begun */
export function start(watch) {
  const faces = [];
  const cancelling = new AbortController();
  let uploading = null;

  const link = el("input", {
    id: "link",
    name: "link",
    type: "text",
    inputMode: "url",
    autocomplete: "off",
    spellcheck: false,
    placeholder: say("linkHint"),
    required: true,
    aria: { describedby: "problem" },
  });
  const go = el("button", { type: "submit", class: "go" }, say("go"));
  const file = el("input", {
    type: "file",
    accept: "video/*,audio/*,.mkv,.srt,.vtt,.ass",
    hidden: true,
  });
  const pick = el(
    "button",
    {
      type: "button",
      class: "quiet",
      title: say("pick"),
      aria: { label: say("pick") },
      on: { click: () => file.click() },
    },
    icon("file"),
  );
  const problem = el("p", { id: "problem", class: "problem", role: "alert" });
  const bar = el("progress", { max: 1, value: 0, aria: { label: say("progress") } });
  const sending = el(
    "div",
    { class: "sending", hidden: true },
    el("span", {}, say("uploading")),
    bar,
    el(
      "button",
      { type: "button", class: "quiet", on: { click: () => uploading?.abort() } },
      say("cancel"),
    ),
  );

  const cards = el("div", { class: "cards", role: "radiogroup", aria: { labelledby: "who" } });
  const wish = el("textarea", {
    id: "wish",
    rows: 2,
    maxLength: 4000,
    placeholder: say("wishHint"),
  });
  const from = el("input", {
    id: "from",
    type: "text",
    inputMode: "numeric",
    placeholder: say("timeHint"),
    size: 7,
  });
  const to = el("input", {
    id: "to",
    type: "text",
    inputMode: "numeric",
    placeholder: say("timeHint"),
    size: 7,
  });
  const density = el(
    "select",
    { id: "density" },
    DENSITIES.map((name) => el("option", { value: name }, say(name || "usual"))),
  );
  const library = el("section", { class: "library", hidden: true });
  const recent = el("section", { class: "recent", hidden: true });

  const options = el(
    "details",
    { class: "options" },
    el("summary", {}, say("options")),
    el(
      "div",
      { class: "fields" },
      el("label", { for: "wish", class: "wide" }, say("wish"), wish),
      el("label", { for: "density" }, say("density"), density),
      el("label", { for: "from" }, say("from"), from),
      el("label", { for: "to" }, say("to"), to),
    ),
  );

  const form = el(
    "form",
    {
      class: "ask",
      noValidate: true,
      on: {
        submit: (event) => {
          event.preventDefault();
          begin(link.value.trim());
        },
      },
    },
    el("label", { for: "link", class: "sr" }, say("link")),
    el("div", { class: "line" }, link, file, pick, go),
    problem,
    sending,
    el("h2", { id: "who" }, say("who")),
    cards,
    options,
  );

  const element = el(
    "main",
    { class: "start" },
    el("header", {}, el("h1", {}, "AI Watch Buddy"), el("p", {}, say("tagline"))),
    form,
    library,
    recent,
  );

  file.addEventListener("change", () => file.files[0] && bring(file.files[0]));
  const dragging = (is) => (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", is);
  };
  const { signal } = cancelling;
  addEventListener("dragover", dragging(true), { signal });
  addEventListener("dragleave", (event) => event.relatedTarget ?? dragging(false)(event), {
    signal,
  });
  addEventListener(
    "drop",
    (event) => {
      dragging(false)(event);
      const dropped = event.dataTransfer?.files[0];
      if (dropped) bring(dropped);
    },
    { signal },
  );

  async function begin(videoUrl) {
    problem.textContent = "";
    if (!videoUrl) return complain(say("linkHint"), link);
    const [startTime, endTime] = [secondsOf(from.value), secondsOf(to.value)];
    if (startTime === null) return complain(say("errors.INVALID_TIME_RANGE"), from);
    if (endTime === null) return complain(say("errors.INVALID_TIME_RANGE"), to);
    const character = cards.querySelector("input:checked")?.value;
    keep("character", character);
    keep("density", density.value);
    go.disabled = true;
    try {
      const id = await createSession({
        video_url: videoUrl,
        character_id: character ?? "miao",
        start_time: startTime,
        end_time: endTime,
        text: wish.value.trim() || undefined,
        density: density.value || undefined,
        language,
        user_id: userId(),
      });
      watch(id);
    } catch (error) {
      complain(told(error), link);
    } finally {
      go.disabled = false;
    }
  }

  async function bring(picked) {
    uploading?.abort();
    uploading = new AbortController();
    problem.textContent = "";
    link.value = picked.name;
    sending.hidden = false;
    try {
      const taken = await upload(picked, (share) => (bar.value = share), uploading.signal);
      await begin(taken.video_url);
    } catch (error) {
      if (error.name !== "AbortError") complain(told(error), link);
    } finally {
      sending.hidden = true;
    }
  }

  function complain(words, field) {
    if (field === from || field === to) options.open = true;
    problem.textContent = words;
    field.setAttribute("aria-invalid", "true");
    field.addEventListener("input", () => field.removeAttribute("aria-invalid"), { once: true });
    field.focus();
  }

  function showCharacters(characters) {
    const wanted = kept("character", characters[0]?.id);
    const chosen = characters.some(({ id }) => id === wanted) ? wanted : characters[0]?.id;
    cards.replaceChildren(
      ...characters.map((character) => {
        const face = new Face(character).wake();
        faces.push(face);
        const name = inLanguage(character.name);
        const input = el("input", {
          type: "radio",
          name: "character",
          value: character.id,
          checked: character.id === chosen,
          class: "sr",
          on: {
            change: () => {
              face.show("joy");
            },
          },
        });
        const card = el(
          "label",
          {
            class: "card",
            on: {
              pointerenter: () => face.show("expectation"),
              pointerleave: () => face.show("neutral"),
            },
          },
          input,
          face.element,
          el("span", { class: "name" }, name),
          el("span", { class: "about" }, inLanguage(character.description)),
          el("span", { class: "sample" }, sample(character.examples)),
        );
        card.style.setProperty("--own", lookOf(character).clothes);
        face.element.setAttribute("aria-hidden", "true");
        return card;
      }),
    );
  }

  async function showLibrary(offset = 0) {
    const { videos, total } = await listLibrary(offset);
    const list = library.querySelector("ul") ?? el("ul", {});
    list.append(
      ...videos
        .filter(({ duration }) => duration !== null)
        .map((video) =>
          el(
            "li",
            {},
            el(
              "button",
              {
                type: "button",
                on: {
                  click: () => {
                    link.value = video.video_url;
                    begin(video.video_url);
                  },
                },
              },
              el("span", { class: "title", dir: "auto" }, video.title),
              el("span", { class: "length" }, clock(video.duration)),
            ),
          ),
        ),
    );
    const shown = offset + videos.length;
    library.replaceChildren(
      el("h2", {}, say("library")),
      total ? list : el("p", { class: "hint" }, say("noLibrary")),
    );
    if (shown < total) {
      library.append(
        el(
          "button",
          { type: "button", class: "quiet", on: { click: () => showLibrary(shown) } },
          say("libraryMore"),
        ),
      );
    }
    library.hidden = total > 0 && list.childElementCount === 0;
  }

  function showRecent() {
    const sessions = recentSessions();
    recent.hidden = sessions.length === 0;
    recent.replaceChildren(
      el("h2", {}, say("recent")),
      el(
        "ul",
        {},
        sessions.map(({ id, title, character }) =>
          el(
            "li",
            {},
            el(
              "button",
              { type: "button", title: say("goOn"), on: { click: () => watch(id) } },
              el("span", { class: "title", dir: "auto" }, title),
              el("span", { class: "length" }, character),
            ),
            el(
              "button",
              {
                type: "button",
                class: "quiet forget",
                aria: { label: say("forget", { title }) },
                on: {
                  click: () => {
                    forgetSession(id);
                    showRecent();
                  },
                },
              },
              icon("close"),
            ),
          ),
        ),
      ),
    );
  }

  density.value = kept("density", "");
  if (density.selectedIndex < 0) density.value = "";
  showRecent();
  listCharacters().then(showCharacters, (error) => (problem.textContent = told(error)));
  showLibrary().catch(() => (library.hidden = true));

  return {
    element,
    ready: () => link.focus(),
    close() {
      cancelling.abort();
      uploading?.abort();
      document.body.classList.remove("dropping");
      faces.forEach((face) => face.close());
    },
  };
}

/** A line in the page's language, where the character has one. */
function sample(examples) {
  const isHan = (line) => /\p{Script=Han}/u.test(line);
  return examples.find((line) => isHan(line) === (language === "zh")) ?? examples[0] ?? "…";
}

const told = (error) =>
  error instanceof ApiError ? sayError(error) : sayError({ code: "INTERNAL_ERROR" });
