/** The REST side of the server, from where the page lies. */

/** What the server refuses, or that it cannot be reached (`UNREACHABLE`). */
export class ApiError extends Error {
  constructor(code, message, retryAfter = null) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

import { another, authorization, token } from "./token.js";

const address = (path) => new URL(path, document.baseURI);

async function ask(path, options = {}, read = asJson) {
  const shown = token();
  let response;
  try {
    const headers = { ...options.headers, ...authorization() };
    response = await fetch(address(path), { ...options, headers });
  } catch {
    throw new ApiError("UNREACHABLE", "");
  }
  if (response.status === 401) {
    await letIn(shown);
    return ask(path, options, read);
  }
  if (response.status === 204) return null;
  if (response.ok) return read(response);
  throw refusal(await asJson(response), response.headers.get("Retry-After"));
}

const asJson = (response) => response.json().catch(() => null);

/** Has the viewer asked for a token, where the one that was shown is not enough. */
async function letIn(shown) {
  try {
    await another(shown);
  } catch {
    throw new ApiError("UNAUTHORIZED", "");
  }
}

function refusal(body, retryAfter = null) {
  const { error = "INTERNAL_ERROR", message = "", fields = [] } = body?.detail ?? {};
  const said = fields.map(({ field, message: words }) => `${field}: ${words}`).join("; ");
  return new ApiError(error, said || message, retryAfter && Number(retryAfter));
}

const json = (method, body) => ({
  method,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

export const listCharacters = async () => (await ask("api/v1/characters")).characters;

/** @param {"refuse" | "replace" | "both"} clash what to do where there is one of that name */
export const bringCharacter = (card, clash) =>
  ask(`api/v1/characters?clash=${clash}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: card,
  });

/** A picture of a character, as a Blob: of an emotion, or of itself where that is empty. */
export const characterPicture = (id, emotion, version) => {
  const name = emotion ? `emotions/${emotion}` : "picture";
  const path = `api/v1/characters/${encodeURIComponent(id)}/${name}?version=${version}`;
  return ask(path, {}, (response) => response.blob());
};

export const listLibrary = (offset = 0) => ask(`api/v1/library?offset=${offset}&limit=100`);
export const createSession = async (wish) =>
  (await ask("api/v1/sessions", json("POST", wish))).session_id;
export const sessionStatus = (id) => ask(`api/v1/sessions/${encodeURIComponent(id)}`);
export const sessionVideo = (id) => ask(`api/v1/sessions/${encodeURIComponent(id)}/video`);
export const deleteSession = (id) =>
  ask(`api/v1/sessions/${encodeURIComponent(id)}`, { method: "DELETE" });

/** What a browser shows where it cannot send a token. */
const ticket = async (id, purpose) =>
  (await ask(`api/v1/sessions/${encodeURIComponent(id)}/tickets`, json("POST", { purpose }))).ticket;

/** Where a session's video is: for some hours, where a token is needed. */
export async function mediaUrl(id) {
  const url = address(`media/${encodeURIComponent(id)}`);
  if (token()) url.searchParams.set("ticket", await ticket(id, "media"));
  return url.href;
}

/**
 * Where the WebSocket of a session is, with the features that are asked for: for one connection,
 * and soon, where a token is needed.
 *
 * @param {boolean} isRefused whether the server wanted a token and was shown none
 */
export async function socketUrl(id, features, isRefused) {
  const url = address(`ws/${encodeURIComponent(id)}?features=${features.join(",")}`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (token() || isRefused) url.searchParams.set("ticket", await ticket(id, "connect"));
  return url.href;
}

/**
 * Bring a file along.
 *
 * @param {(fraction: number) => void} progress
 * @param {AbortSignal} signal
 * @returns {Promise<{video_url: string, title: string}>}
 */
export async function upload(file, progress, signal) {
  const shown = token();
  try {
    return await send(file, progress, signal);
  } catch (error) {
    if (error.code !== "UNAUTHORIZED") throw error;
    await letIn(shown);
    return upload(file, progress, signal);
  }
}

function send(file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much was sent
    request.open("POST", address(`api/v1/uploads?name=${encodeURIComponent(file.name)}`));
    for (const [name, value] of Object.entries(authorization()))
      request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
    request.onload = () =>
      request.status === 201 ? resolve(request.response) : reject(refusal(request.response));
    request.onerror = () => reject(new ApiError("UNREACHABLE", ""));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
