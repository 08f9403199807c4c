/**
 * The token that the server lets this browser in with, where it needs one.
 *
 * It is kept in this browser until the viewer has it forgotten. Several questions that the server
 * refuses at a time ask the viewer once.
 */

import { keep, kept } from "./keeping.js";

/** Tells `change`. */
export const changes = new EventTarget();

let own = kept("token", null);
let asking = null;
let askViewer = () => Promise.reject(new Error("nobody is asked here"));

export const token = () => own;

/** The headers that show it. */
export const authorization = () => (own ? { Authorization: `Bearer ${own}` } : {});

/**
 * How the viewer is asked.
 *
 * @param {(isRefused: boolean) => Promise<string | null>} ask is told whether there was a token, and it
 *     was no good one; rejected where the viewer does not want to
 */
export const askWith = (ask) => (askViewer = ask);

/**
 * Get another token than the one that was refused.
 *
 * @param {string | null} refused as it was shown
 */
export async function another(refused) {
  if (own !== refused) return; // somebody else has asked meanwhile
  asking ??= askViewer(refused !== null).finally(() => (asking = null));
  set(await asking);
}

export const forgetToken = () => set(null);

function set(token) {
  own = token;
  keep("token", token);
  changes.dispatchEvent(new Event("change"));
}
