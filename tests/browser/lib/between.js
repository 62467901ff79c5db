/**
 * Somebody between the pages and the server: serves the server's page as its own, passes the signaling on,
 * and does with it what a test says. It sees what an operator sees, and has no keys but those it makes
 * itself.
 */
import { once } from "node:events";
import { createServer, request } from "node:http";

import { WebSocket, WebSocketServer } from "ws";

/** Changes nothing. */
const whole = (message) => [message];

export class Between {
  #server;
  #sockets;
  #upstream;
  #signal;
  #from;
  #bend;
  #isBroken = false;

  /**
   * @param {string} url the server's
   * @param {(message: any, line: Line) => any[]} [bend] what the page is told in place of a message of the
   * server
   * @param {(message: any, line: Line) => any[]} [bendBack] the same the other way
   * @param {{ signal?: string, from?: string }} [line] where the signaling goes if not to where the page is,
   * and the address of this machine that it comes from
   */
  static async start(url, bend = whole, bendBack = whole, { signal = url, from } = {}) {
    const between = new Between();
    between.#upstream = new URL(url);
    between.#signal = new URL("/signal", signal);
    between.#from = from;
    between.#bend = { bend, bendBack };
    between.#server = createServer((incoming, answer) => between.#passPage(incoming, answer));
    between.#sockets = new WebSocketServer({ server: between.#server });
    between.#sockets.on("connection", (page) => between.#passSignaling(page));
    between.#server.listen(0, "127.0.0.1");
    await once(between.#server, "listening");
    return between;
  }

  get url() {
    return `http://localhost:${this.#server.address().port}/`;
  }

  /** Breaks every line. */
  cut() {
    for (const page of this.#sockets.clients) page.terminate();
  }

  /** Breaks every line, and each that says something, until `mend`. */
  break() {
    this.#isBroken = true;
    this.cut();
  }

  mend() {
    this.#isBroken = false;
  }

  async close() {
    this.cut();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  #passPage(incoming, answer) {
    const { method, url } = incoming;
    const passed = request(new URL(url, this.#upstream), { method }, (found) => {
      answer.writeHead(found.statusCode, found.headers);
      found.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    passed.end();
  }

  #passSignaling(page) {
    const url = new URL(this.#signal);
    url.protocol = url.protocol.replace("http", "ws");
    const server = new WebSocket(url, "ginnel.1", {
      origin: this.#signal.origin,
      perMessageDeflate: false,
      localAddress: this.#from,
      rejectUnauthorized: false,
    });
    const early = [];
    /** @typedef {{ toPage: (message: any) => void, cut: () => void }} Line */
    const line = {
      toPage: (message) => page.readyState === page.OPEN && page.send(JSON.stringify(message)),
      cut: () => page.terminate(),
    };
    const toServer = (message) => {
      if (server.readyState === server.OPEN) server.send(JSON.stringify(message));
      else early.push(message);
    };
    server.on("open", () => early.splice(0).forEach(toServer));
    const pass = (bend, send) => (data) => {
      if (this.#isBroken) line.cut();
      else bend(JSON.parse(data), line).forEach(send);
    };
    server.on("message", pass(this.#bend.bend, line.toPage));
    page.on("message", pass(this.#bend.bendBack, toServer));
    for (const [one, other] of [
      [server, page],
      [page, server],
    ]) {
      // Whoever says goodbye is quoted; whoever is gone is missed.
      one.on("close", (code) => (code < 1005 || code > 1006 ? other.close(code) : other.terminate()));
      one.on("error", () => other.terminate());
    }
  }
}
