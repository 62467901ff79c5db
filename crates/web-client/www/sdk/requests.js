/**
 * What was asked of the server and is not answered yet, and where the answers have brought us. Answers come
 * in order; of errors most say what they answer. It deliberately sends nothing.
 * @module
 */

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./protocol.js").Media} Media */
/** On which terms we meet whom we meet. @typedef {{ media: Media, secret: Bytes | null }} Terms */
/** @typedef {"find" | "next" | "open" | "join" | "leave" | "cancel"} Kind */
/**
 * `isStale`: it was asked on a connection that is lost, and may have got lost with it; `isVoid`: we have left
 * since, and wherever it leads we are not.
 * @typedef {Terms & { kind: Kind, isStale: boolean, isVoid: boolean }} Request
 */

export class Requests {
  /** The oldest first. @type {Request[]} */
  #asked = [];
  /** What brought us where we are: in a room, with a stranger, or waiting. @type {Request | null} */
  #place = null;

  /** Notes what was sent. @param {Kind} kind @param {Terms} terms */
  add(kind, terms) {
    this.#asked = this.#asked.filter(({ isStale }) => !isStale);
    this.#asked.push({ kind, ...terms, isStale: false, isVoid: false });
  }

  /** `waiting` came. */
  wait() {
    this.#settle("find", "next");
  }

  /** `room` came. @returns {Terms | null} on which terms others enter it */
  enterRoom() {
    // Who is in a room gets into no other: it is said again after a loss.
    return this.#isInRoom ? this.#place : this.#settle("open", "join");
  }

  /** `matched` came. @returns {Terms | null} on which terms, if that is known */
  meet() {
    return this.#place ?? this.#settle("find", "next", "join");
  }

  /**
   * An error came. Where it does not say what it answers, some codes tell.
   * @param {string} code
   * @param {string} [answered] the kind of message that it says it answers
   */
  refuse(code, answered) {
    if (code === "expired") {
      this.#place = null;
      return;
    }
    const kinds = answered === undefined ? REFUSALS[code] : [answered];
    const at = kinds ? this.#asked.findIndex(({ kind }) => kinds.includes(kind)) : 0;
    this.#asked.splice(0, at + 1);
  }

  /** We give up our place, and all that was asked before. */
  leave() {
    this.#place = null;
    for (const request of this.#asked) request.isVoid = true;
  }

  /** The last partner is gone: where we met a stranger, there is nobody else. */
  endMeeting() {
    if (!this.#isInRoom) this.#place = null;
  }

  /** The connection is lost. */
  lose() {
    for (const request of this.#asked) request.isStale = true;
  }

  /** The server does not know us. */
  startAnew() {
    this.#asked = [];
    this.#place = null;
  }

  /** Are we, as far as we know, nowhere? */
  get isNowhere() {
    return this.#place === null;
  }

  get #isInRoom() {
    return this.#place?.kind === "open" || this.#place?.kind === "join";
  }

  /**
   * The oldest request of these kinds is answered, as was wished for; those before it were, without a word.
   * @param {Kind[]} kinds
   */
  #settle(...kinds) {
    const at = this.#asked.findIndex(({ kind }) => kinds.includes(kind));
    if (at === -1) return null;
    const request = this.#asked[at];
    this.#asked.splice(0, at + 1);
    if (!request.isVoid) this.#place = request;
    return request;
  }
}

/**
 * What an error can have been the answer to; others answer the oldest request.
 * @type {Record<string, string[]>}
 */
const REFUSALS = {
  "draining": ["find", "next", "open", "join"],
  "no-room": ["join"],
  "queue-full": ["find", "next"],
  "rooms-off": ["open", "join"],
  "server-full": ["open"],
};
