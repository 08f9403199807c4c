/**
 * The WebSocket to a session: kept up, and made anew when it breaks.
 *
 * Reconnecting is always safe: the server goes on where the session is. What has to be said
 * and could not be is said with the next connection, except where the player was: that is
 * worth something only as long as it is the latest.
 */

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
/** A connection that held for so long was a good one: waits begin anew. */
const STEADY_MS = 5000;

/** Codes with which a server closes for good, by what that means. */
const UNAUTHORIZED = 4401;
const FINAL = new Map([
  [1009, "refused"],
  [4400, "refused"],
  [4403, "refused"],
  [4404, "gone"],
  [4409, "replaced"],
  [4410, "gone"],
  [4500, "failed"],
]);

/** What is refused before there is a connection, as a server would close one. */
const CODES = new Map([
  ["SESSION_NOT_FOUND", 4404],
  ["UNAUTHORIZED", 4403],
]);

export class Connection extends EventTarget {
  #address;
  #opening = null;
  #isRefused = false;
  #socket = null;
  #outbox = [];
  #retryMs = FIRST_RETRY_MS;
  #openedAt = 0;
  #retrying = null;
  #closed = false;

  /**
   * Events: `open`; `message` with `detail`, what the server says; `lost` with `detail.retryMs`;
   * `closed` with `detail.why`: gone, replaced, refused or failed. After that there is nothing.
   *
   * @param {(isRefused: boolean) => Promise<string>} address of the WebSocket: for each connection
   *     anew, as each may need a ticket of its own. Is told whether the last one was missing one.
   */
  constructor(address) {
    super();
    this.#address = address;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Connect, unless that is done already. */
  open() {
    clearTimeout(this.#retrying);
    if (this.#closed || this.#opening) return;
    if (this.#socket && this.#socket.readyState <= WebSocket.OPEN) return;
    const opening = (this.#opening = {});
    this.#address(this.#isRefused).then(
      (url) => {
        if (this.#opening === opening) this.#connect(url);
      },
      ({ code }) => {
        if (this.#opening !== opening) return;
        this.#opening = null;
        this.#lost(CODES.get(code));
      },
    );
  }

  #connect(url) {
    this.#opening = null;
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#openedAt = performance.now();
      this.#tell("open");
      for (const message of this.#outbox.splice(0)) socket.send(JSON.stringify(message));
    };
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#receive(data);
    };
    socket.onclose = ({ code }) => {
      if (this.#socket === socket) this.#lost(code);
    };
  }

  /** Make a new connection now: the old one may be dead without anybody having noticed. */
  renew() {
    if (this.#closed) return;
    this.#drop();
    this.#retryMs = FIRST_RETRY_MS;
    this.open();
  }

  /** End it, from this side. */
  close() {
    this.#closed = true;
    clearTimeout(this.#retrying);
    this.#drop();
  }

  /** Say it now, or as soon as there is a connection. */
  send(message) {
    if (this.isOpen) {
      this.#socket.send(JSON.stringify(message));
    } else if (message.type !== "timestamp_update") {
      this.#outbox.push(message);
    }
  }

  #receive(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // nothing that a server of this protocol sends
    }
    if (message !== null && typeof message === "object") this.#tell("message", message);
  }

  #lost(code) {
    this.#socket = null;
    this.#isRefused = code === UNAUTHORIZED;
    const why = FINAL.get(code);
    if (why) {
      this.#closed = true;
      this.#tell("closed", { why });
      return;
    }
    if (this.#openedAt && performance.now() - this.#openedAt > STEADY_MS) {
      this.#retryMs = FIRST_RETRY_MS;
    }
    this.#openedAt = 0;
    const retryMs = this.#retryMs * (0.5 + Math.random() / 2);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    this.#retrying = setTimeout(() => this.open(), retryMs);
    this.#tell("lost", { retryMs });
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#opening = null;
    socket?.close();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
