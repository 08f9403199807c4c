/** The REST side of the server, from where the page lies. */

/** What the server refuses, or that it cannot be reached (`UNREACHABLE`). */
export class ApiError extends Error {
  constructor(code, message, retryAfter = null) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

const address = (path) => new URL(path, document.baseURI);

async function ask(path, options) {
  let response;
  try {
    response = await fetch(address(path), options);
  } catch {
    throw new ApiError("UNREACHABLE", "");
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  if (!response.ok) throw refusal(body, response.headers.get("Retry-After"));
  return body;
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
export const listLibrary = (offset = 0) => ask(`api/v1/library?offset=${offset}&limit=100`);
export const createSession = async (wish) =>
  (await ask("api/v1/sessions", json("POST", wish))).session_id;
export const sessionStatus = (id) => ask(`api/v1/sessions/${encodeURIComponent(id)}`);
export const sessionVideo = (id) => ask(`api/v1/sessions/${encodeURIComponent(id)}/video`);
export const deleteSession = (id) =>
  ask(`api/v1/sessions/${encodeURIComponent(id)}`, { method: "DELETE" });
export const mediaUrl = (id) => address(`media/${encodeURIComponent(id)}`).href;

/** Where the WebSocket of a session is, with the features that are asked for. */
export function socketUrl(id, features) {
  const url = address(`ws/${encodeURIComponent(id)}?features=${features.join(",")}`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * Bring a file along.
 *
 * @param {(fraction: number) => void} progress
 * @param {AbortSignal} signal
 * @returns {Promise<{video_url: string, title: string}>}
 */
export function upload(file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much was sent
    request.open("POST", address(`api/v1/uploads?name=${encodeURIComponent(file.name)}`));
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
