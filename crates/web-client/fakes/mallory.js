/**
 * A server with keys of its own: it agrees on keys with each side in the other's name, reads everything, and
 * passes it on changed. It is told what passes in a line, either way, and may say more in it.
 */

import { fromBase64url, toBase64url } from "../www/sdk/bytes.js";
import { Sealing } from "../www/sdk/sealing.js";

export class Mallory {
  #change;
  /** By the line. */
  #sides = new Map();
  #work = Promise.resolve();

  constructor(change) {
    this.#change = change;
  }

  /** What to do with a message to a page, and with one from it. */
  get ways() {
    return [
      (message, line) => this.#fromServer(message, line),
      (message, line) => this.#fromPage(message, line),
    ];
  }

  #fromServer(message, line) {
    if (message.t !== "matched") return [message];
    const role = message.role === "caller" ? "callee" : "caller";
    const side = { line, session: message.session, role, n: 0, waiting: [] };
    side.sealing = new Sealing(role, fromBase64url(message.session));
    this.#sides.set(line, side);
    line.toPage(message);
    if (role === "caller") this.#do(async () => this.#send(side, await side.sealing.begin()));
    return [];
  }

  #fromPage(message, line) {
    const side = this.#sides.get(line);
    if (message.t !== "seal" || !side) return [message];
    this.#do(async () => {
      const { send, body } = await side.sealing.receive(fromBase64url(message.body));
      if (send) this.#send(side, send);
      const other = [...this.#sides.values()].find(({ role }) => role !== side.role);
      if (body) other.waiting.push(this.#change(body));
      for (const each of [side, other]) {
        if (!each?.sealing.isReady) continue;
        for (const waiting of each.waiting.splice(0)) this.#send(each, await each.sealing.seal(waiting));
      }
    });
    return [];
  }

  #send(side, bytes) {
    side.n += 1;
    side.line.toPage({ t: "seal", session: side.session, n: side.n, body: toBase64url(bytes) });
  }

  #do(task) {
    this.#work = this.#work.then(task);
  }
}
