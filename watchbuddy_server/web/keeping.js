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

/** @returns {{id: string, title: string, character: string, position?: number}[]} the latest first */
export const recentSessions = () => kept("sessions", []);

export function rememberSession(session) {
  const known = recentSessions().find(({ id }) => id === session.id);
  const others = recentSessions().filter(({ id }) => id !== session.id);
  keep("sessions", [{ ...known, ...session }, ...others].slice(0, MOST_SESSIONS));
}

/** Where the viewer is in a session, in whole seconds: so often is it worth keeping. */
export function keepPosition(id, position) {
  const second = Math.floor(position);
  if (second === positionOf(id)) return;
  const moved = (session) => (session.id === id ? { ...session, position: second } : session);
  keep("sessions", recentSessions().map(moved));
}

export const positionOf = (id) => recentSessions().find((one) => one.id === id)?.position ?? 0;

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
