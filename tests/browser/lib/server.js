/**
 * The binary under test: started with a configuration of its own on free loopback ports, its log kept.
 */
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { until } from "./until.js";

export class Server {
  #folder = mkdtempSync(join(tmpdir(), "ginnel-browser-"));
  #child;
  #ports;

  #more;
  #listen;
  #relayAddress;

  /**
   * @param {string} more lines at the end of the configuration
   * @param {string[] | undefined} listen lines of `[listen]`, in place of free ports on loopback
   * @param {string} relayAddress where the relay is, if there are no such lines
   */
  constructor(more, listen, relayAddress) {
    this.#more = more;
    this.#listen = listen;
    this.#relayAddress = relayAddress;
  }

  /**
   * A server that answers.
   * @param {string} [more] lines at the end of the configuration
   * @param {string[]} [listen] lines of `[listen]`, in place of free ports on loopback
   * @param {string} [relayAddress] where the relay is, if there are no such lines
   */
  static async start(more = "", listen = undefined, relayAddress = "127.0.0.1") {
    const server = new Server(more, listen, relayAddress);
    server.#ports = {
      turn: await freePort(),
      turns: await freePort(),
      web: await freePort(),
      local: await freePort(),
      admin: await freePort(),
    };
    await server.start();
    return server;
  }

  /** Starts it; again on the same ports after `kill`. */
  async start() {
    const config = join(this.#folder, "ginnel.toml");
    writeFileSync(config, this.#configuration());
    const output = openSync(this.#logFile, "a");
    const child = spawn(BINARY, ["serve", "--config", config], { stdio: ["ignore", output, output] });
    closeSync(output);
    this.#child = child;
    let failure = "";
    child.on("error", (error) => {
      failure = `${BINARY}: ${error.message}; build it, or name it in GINNEL_BIN`;
    });
    child.on("exit", (code) => {
      failure ||= `it ended with ${code}:\n${this.#log()}`;
    });
    await until("the server answers", async () => failure || (await fetch(`${this.#admin}/healthz`)).ok);
    if (failure) throw new Error(`the server does not start: ${failure}`);
  }

  /** Takes it away without a word, like a power cut. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Stops it and removes what it wrote. */
  async close() {
    await this.#end("SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What a person on this machine opens. */
  get url() {
    return `http://localhost:${this.#ports.local}/`;
  }

  /** The port of a listener, by its key in `[listen]`. */
  port(key) {
    return this.#ports[key];
  }

  /** The same over HTTPS, with a certificate that nobody trusts. */
  get secureUrl() {
    return `https://127.0.0.1:${this.#ports.web}/`;
  }

  /** The lines of its log. */
  logLines() {
    return this.#log()
      .split("\n")
      .filter((line) => line !== "");
  }

  /** The sum of a metric over its labels, or over those that have `label`; 0 where nothing was counted. */
  async metric(name, label = "") {
    const text = await (await fetch(`${this.#admin}/metrics`)).text();
    const lines = text
      .split("\n")
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .filter((line) => line.includes(label));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  #configuration() {
    const { turn, turns, web, local, admin } = this.#ports;
    return [
      "version = 1",
      "",
      "[listen]",
      ...(this.#listen ?? [
        `turn = ["${this.#relayAddress}:${turn}"]`,
        `turns = ["127.0.0.1:${turns}"]`,
        `web = ["127.0.0.1:${web}"]`,
        `local = ["127.0.0.1:${local}"]`,
      ]),
      `admin = "127.0.0.1:${admin}"`,
      "",
      // Above the ports that the system gives out by itself, of which those above are.
      "[relay]",
      'ports = "61000-65535"',
      "",
      "[log]",
      'level = "trace"',
      'format = "json"',
      "",
      this.#more,
    ].join("\n");
  }

  async #end(signal) {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  #log() {
    return readFileSync(this.#logFile, "utf8");
  }

  get #logFile() {
    return join(this.#folder, "log");
  }

  get #admin() {
    return `http://127.0.0.1:${this.#ports.admin}`;
  }
}

/**
 * A port that nobody has, over TCP or UDP, and that nobody comes by before it is bound: the kernel gives none
 * below 32,768 to those who want just any, as browsers do, and here each is given once.
 */
async function freePort() {
  const port = PORTS.first + ((process.pid * 97 + given) % PORTS.count);
  given += 1;
  const isFree = (await isFor(createServer().listen(port, "0.0.0.0"))) && (await isFor(bound(port)));
  return isFree ? port : await freePort();
}

let given = 0;

const PORTS = { first: 20_000, count: 12_000 };

function bound(port) {
  const socket = createSocket("udp4");
  socket.bind(port, "0.0.0.0");
  return socket;
}

/** Whether it gets what it asked for; then it gives that back. */
async function isFor(asking) {
  const isFree = await once(asking, "listening").then(() => true, () => false);
  if (!isFree) return false;
  asking.close();
  await once(asking, "close");
  return true;
}

const BINARY = resolve(process.env.GINNEL_BIN ?? join(import.meta.dirname, "../../../target/release/ginnel"));
