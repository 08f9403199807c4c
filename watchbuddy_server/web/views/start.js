/** Where everything begins: what to watch, and with whom. */

import { ApiError, createSession, listCharacters, upload } from "../api.js";
import { button, el, icon, secondsOf } from "../dom.js";
import { keep, kept, userId } from "../keeping.js";
import { bringing, isCard } from "../starting/bringing.js";
import { Characters } from "../starting/characters.js";
import { takeDrops } from "../starting/dropping.js";
import { library, recent } from "../starting/lists.js";
import { language, say, sayError } from "../words.js";
import { forgetting } from "./door.js";

const DENSITIES = ["", "quiet", "normal", "chatty", "muted"];
const FILES = "video/*,audio/*,.mkv,.srt,.vtt,.ass";

/** @param {(sessionId: string) => void} watch is told which session was begun */
export function start(watch) {
  const leaving = new AbortController();
  const characters = new Characters();
  const options = wishes();
  const newcomers = bringing(async (id) => {
    characters.show(await listCharacters(), id);
    characters.focus();
  });
  let uploading = null;

  const link = el("input", {
    id: "link",
    name: "link",
    type: "text",
    inputMode: "url",
    autocomplete: "off",
    spellcheck: false,
    placeholder: say("linkHint"),
    aria: { describedby: "problem" },
  });
  const file = el("input", { type: "file", accept: FILES, hidden: true });
  const pick = button(icon("file"), () => file.click(), { label: say("pick"), class: "quiet" });
  const go = el("button", { type: "submit", class: "go" }, say("go"));
  const problem = el("p", { id: "problem", class: "problem", role: "alert" });
  const sent = el("progress", { max: 1, value: 0, aria: { label: say("progress") } });
  const enough = button(say("cancel"), () => uploading?.abort(), { class: "quiet" });
  const sending = el("div", { class: "sending", hidden: true }, say("uploading"), sent, enough);

  const form = el(
    "form",
    { class: "ask", noValidate: true },
    el("label", { for: "link", class: "sr" }, say("link")),
    el("div", { class: "line" }, link, file, pick, go),
    problem,
    sending,
    el("h2", {}, say("who")),
    characters.element,
    newcomers.element,
    options.element,
  );
  const element = el(
    "main",
    { class: "start" },
    el("header", {}, el("h1", {}, "AI Watch Buddy"), el("p", {}, say("tagline"))),
    form,
    library((url) => {
      link.value = url;
      begin(url);
    }),
    recent(watch),
    forgetting(leaving.signal),
  );

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin(link.value.trim());
  });
  file.addEventListener("change", () => file.files[0] && bring(file.files[0]));
  takeDrops((one) => (isCard(one) ? newcomers.take(one) : bring(one)), leaving.signal);
  listCharacters().then((found) => characters.show(found), complain);

  /** Watch what is at this address, as wished. */
  async function begin(videoUrl) {
    problem.textContent = "";
    go.disabled = true;
    try {
      if (!videoUrl) throw new Mistake(say("link"), link);
      const wished = options.read();
      keep("character", characters.chosen);
      keep("density", wished.density ?? "");
      const id = await createSession({
        video_url: videoUrl,
        character_id: characters.chosen ?? "miao",
        language,
        user_id: userId(),
        ...wished,
      });
      watch(id);
    } catch (error) {
      complain(error);
    } finally {
      go.disabled = false;
    }
  }

  /** Watch a file of the viewer's own. */
  async function bring(picked) {
    problem.textContent = "";
    uploading?.abort();
    const own = (uploading = new AbortController());
    try {
      options.read(); // what is wrong there is better told before than after
      link.value = picked.name;
      sending.hidden = false;
      const taken = await upload(picked, (share) => (sent.value = share), own.signal);
      await begin(taken.video_url);
    } catch (error) {
      if (error.name !== "AbortError") complain(error);
    } finally {
      sending.hidden = uploading === own;
    }
  }

  function complain(error) {
    const field = error.field ?? link;
    problem.textContent = told(error);
    field.setAttribute("aria-invalid", "true");
    field.addEventListener("input", () => field.removeAttribute("aria-invalid"), { once: true });
    field.focus();
  }

  return {
    element,
    ready: () => link.focus(),
    close() {
      leaving.abort();
      uploading?.abort();
      characters.close();
    },
  };
}

/** What the viewer has written is not what it should be, in this field. */
class Mistake extends Error {
  constructor(words, field) {
    super(words);
    this.field = field;
  }
}

function told(error) {
  if (error instanceof Mistake) return error.message;
  return sayError(error instanceof ApiError ? error : { code: "INTERNAL_ERROR" });
}

/** The wish, which part, and how much is said. `read` tells it as the server wants it. */
function wishes() {
  const wish = el("textarea", { id: "wish", rows: 2, maxLength: 4000 });
  wish.placeholder = say("wishHint");
  const time = (id) =>
    el("input", { id, type: "text", inputMode: "numeric", placeholder: say("timeHint"), size: 7 });
  const [from, to] = [time("from"), time("to")];
  const names = DENSITIES.map((name) => el("option", { value: name }, say(name || "usual")));
  const density = el("select", { id: "density" }, names);
  density.value = kept("density", "");
  if (density.selectedIndex < 0) density.value = "";

  const fields = el(
    "div",
    { class: "fields" },
    el("label", { for: "wish", class: "wide" }, say("wish"), wish),
    el("label", { for: "density" }, say("density"), density),
    el("label", { for: "from" }, say("from"), from),
    el("label", { for: "to" }, say("to"), to),
  );
  const element = el("details", { class: "options" }, el("summary", {}, say("options")), fields);

  function timeOf(field) {
    const seconds = secondsOf(field.value);
    if (seconds !== null) return seconds;
    element.open = true;
    throw new Mistake(say("errors.INVALID_TIME_RANGE"), field);
  }

  /** Throws Mistake. */
  function read() {
    return {
      start_time: timeOf(from),
      end_time: timeOf(to),
      text: wish.value.trim() || undefined,
      density: density.value || undefined,
    };
  }

  return { element, read };
}
