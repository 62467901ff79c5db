/**
 * A server of `ginnel.1` for tests of the SDK in Node: it greets, introduces whom a test names, passes on
 * what they seal, and remembers all that it hears. It matches nobody by itself and keeps no session.
 */

/** What every greeting says. */
const WELCOME = { t: "welcome", v: 1, policy: {}, limits: {} };

export class Server {
  /** Every connection that was made, in order. */
  lines = [];
  /** To put in place of the global one. */
  WebSocket;
  /** What a greeting says besides: `got`, where it knows who comes back. */
  welcome = () => ({});
  #bend;
  #bendBack;
  #sessions = 0;

  /**
   * @param {(message: any, line: Line) => any[]} [bend] what a page is told in place of a message
   * @param {(message: any, line: Line) => any[]} [bendBack] the same the other way
   */
  constructor(bend = (message) => [message], bendBack = (message) => [message]) {
    const server = this;
    this.#bend = bend;
    this.#bendBack = bendBack;
    this.WebSocket = class extends Line {
      constructor() {
        super((line, message) => server.#hear(line, message));
        server.lines.push(this);
      }
    };
  }

  /** Says something in this line. */
  say(line, message) {
    for (const bent of this.#bend(message, line)) line.toPage(bent);
  }

  /**
   * Two lines get a session, the first one as the caller.
   * @param {Line} caller
   * @param {Line} [callee] none: nobody answers
   */
  introduce(caller, callee, exposure = "consent") {
    const session = Buffer.alloc(16, ++this.#sessions).toString("base64url");
    const ends = 2_000_000_000;
    const ice = [{ urls: ["turn:127.0.0.1:3478"], username: "u", credential: "c" }];
    const matched = { t: "matched", session, exposure, ice, ends, common: [] };
    if (callee) caller.partners.set(session, callee);
    callee?.partners.set(session, caller);
    this.say(caller, { ...matched, role: "caller" });
    if (callee) this.say(callee, { ...matched, role: "callee" });
    return session;
  }

  #hear(line, heard) {
    line.heard.push(heard);
    for (const message of this.#bendBack(heard, line)) {
      const partner = line.partners.get(message.session);
      if (message.t === "hello") {
        this.say(line, { ...WELCOME, resume: `token-${this.lines.length}`, ...this.welcome(message) });
      } else if (message.t === "seal" && partner) this.say(partner, message);
    }
  }
}

/** One connection, which the SDK takes for a `WebSocket`. */
class Line extends EventTarget {
  static OPEN = 1;
  readyState = 0;
  /** What the page has said. */
  heard = [];
  /** By their session. */
  partners = new Map();
  #hear;

  constructor(hear) {
    super();
    this.#hear = hear;
    queueMicrotask(() => {
      if (this.readyState !== 0) return;
      this.readyState = Line.OPEN;
      this.dispatchEvent(new Event("open"));
    });
  }

  send(text) {
    this.#hear(this, JSON.parse(text));
  }

  close() {
    this.cut();
  }

  /** The page hears this. */
  toPage(message) {
    const data = JSON.stringify(message);
    if (this.readyState === Line.OPEN) this.dispatchEvent(new MessageEvent("message", { data }));
  }

  /** The connection is gone. */
  cut() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(new Event("close"));
  }

  /** What of one kind the page has said. */
  heardOf(kind) {
    return this.heard.filter(({ t }) => t === kind);
  }
}
