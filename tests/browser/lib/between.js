/**
 * Somebody between the pages and the server: serves the server's page as its own, passes the signaling on,
 * and does with it what a test says. It sees what an operator sees, and has no keys but those it makes
 * itself.
 */
import { once } from "node:events";
import { createServer, request } from "node:http";

import { WebSocket, WebSocketServer } from "ws";

export class Between {
  #server;
  #sockets;
  #upstream;
  #bend;

  /**
   * @param {string} url the server's
   * @param {(message: any, line: Line) => any[]} bend what the page is told in place of a message of the
   * server
   * @param {(message: any, line: Line) => any[]} [bendBack] the same the other way
   */
  static async start(url, bend, bendBack = (message) => [message]) {
    const between = new Between();
    between.#upstream = new URL(url);
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

  async close() {
    for (const page of this.#sockets.clients) page.terminate();
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
    const url = new URL("/signal", this.#upstream);
    url.protocol = "ws:";
    const server = new WebSocket(url, "ginnel.1", {
      origin: this.#upstream.origin,
      perMessageDeflate: false,
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
    server.on("message", (data) => this.#bend.bend(JSON.parse(data), line).forEach(line.toPage));
    page.on("message", (data) => this.#bend.bendBack(JSON.parse(data), line).forEach(toServer));
    for (const [one, other] of [
      [server, page],
      [page, server],
    ]) {
      one.on("close", () => other.terminate());
      one.on("error", () => other.terminate());
    }
  }
}
