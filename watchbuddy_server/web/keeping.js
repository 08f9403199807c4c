/** What this browser keeps: choices, and the sessions of late. Works where nothing may be kept. */

const PREFIX = "watchbuddy.";
const MOST_SESSIONS = 8;

export function kept(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing is asked again the next time.
  }
}

/** @returns {{id: string, title: string, character: string, at: number}[]} the latest first */
export const recentSessions = () => kept("sessions", []);

export function rememberSession(session) {
  const others = recentSessions().filter(({ id }) => id !== session.id);
  keep("sessions", [{ ...session, at: Date.now() }, ...others].slice(0, MOST_SESSIONS));
}

export const forgetSession = (gone) =>
  keep(
    "sessions",
    recentSessions().filter(({ id }) => id !== gone),
  );

/** Who is watching, so that the server can remember how much they want to hear. */
export function userId() {
  let id = kept("user", null);
  if (typeof id !== "string") {
    id = `web_${crypto.getRandomValues(new Uint32Array(3)).join("")}`;
    keep("user", id);
  }
  return id;
}
