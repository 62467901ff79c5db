/**
 * A real browser with pretended devices, and people who use the page in it by what they see: names and roles.
 * A second browser fits in here: everything that knows the driver is in this file.
 */
import { join } from "node:path";

import { chromium } from "playwright-core";

import { until } from "./until.js";

/** One browser; every visitor has a profile of their own. */
export class Browser {
  #browser;
  #visitors = [];

  /**
   * @param {{ devices?: boolean, allow?: boolean, udp?: boolean, home?: string }} [options]
   *   `devices`: are there a camera and a microphone; `allow`: does the person allow them;
   *   `udp`: may calls use UDP (a VPN or a privacy extension forbids it just like this);
   *   `home`: the home directory of whoever runs it, where trusted certificates are
   */
  static async launch({ devices = true, allow = true, udp = true, home = process.env.HOME } = {}) {
    const browser = new Browser();
    browser.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      headless: true,
      env: { ...process.env, HOME: home },
      args: [
        ...SWITCHES,
        ...(devices ? ["--use-fake-device-for-media-stream"] : []),
        allow ? "--use-fake-ui-for-media-stream" : "--deny-permission-prompts",
        ...(udp ? [] : ["--webrtc-ip-handling-policy=disable_non_proxied_udp"]),
      ],
    });
    return browser;
  }

  /**
   * Somebody opens the page. `relay`: of the relay's URLs it uses those only that match; `webSockets`: do
   * they get through, which they do not in some offices. A certificate that nobody trusts is accepted, as
   * people do; QUIC does not hear of that.
   */
  async visit(
    url,
    { viewport = { width: 1280, height: 800 }, colorScheme = "light", relay = "", webSockets = true } = {},
  ) {
    const settings = { viewport, colorScheme, permissions: [], ignoreHTTPSErrors: true };
    const context = await this.#browser.newContext(settings);
    await context.addInitScript((pattern) => {
      window.relayUrls = new RegExp(pattern);
    }, relay);
    if (!webSockets) await context.addInitScript(withoutWebSockets);
    const visitor = await Visitor.arrive(context, url);
    this.#visitors.push(visitor);
    return visitor;
  }

  /** What went wrong in any page, in words: foreign requests, console messages, violated policies. */
  complaints() {
    return this.#visitors.flatMap((visitor) => visitor.complaints);
  }

  async close() {
    await this.#browser.close();
  }
}

export class Visitor {
  complaints = [];
  requests = [];
  #page;

  static async arrive(context, url) {
    const visitor = new Visitor();
    await context.addInitScript(watchFromInside);
    const page = await context.newPage();
    visitor.#page = page;
    page.on("request", (request) => visitor.requests.push(request.url()));
    page.on("websocket", (socket) => visitor.requests.push(socket.url()));
    page.on("pageerror", (error) => visitor.complaints.push(`exception: ${error.message}`));
    page.on("console", (message) => {
      const type = message.type();
      if (type === "error" || type === "warning")
        visitor.complaints.push(`${type}: ${message.text()} ${message.location().url}`);
    });
    await page.goto(url);
    return visitor;
  }

  /** Presses a button. */
  async press(name) {
    await this.#page.getByRole("button", { name, exact: true }).click();
  }

  /** Chooses Video, Voice or Text. */
  async choose(media) {
    await this.#page.getByRole("radio", { name: media }).check();
  }

  /** Presses a key. */
  async key(name) {
    await this.#page.keyboard.press(name);
  }

  async fill(label, text) {
    await this.#page.getByLabel(label).fill(text);
  }

  /** Waits until the words can be seen. */
  async sees(words, ms_max) {
    await until(`"${words}" on the page`, () => this.#page.getByText(words).first().isVisible(), ms_max);
  }

  async cannotSee(words) {
    await until(
      `no "${words}" on the page`,
      async () => !(await this.#page.getByText(words).first().isVisible()),
    );
  }

  async write(text) {
    await this.#page.getByLabel("Message", { exact: true }).fill(text);
    await this.#page.getByLabel("Message", { exact: true }).press("Enter");
  }

  /** The link of the room that is open. */
  async roomLink() {
    return await until("a room's link", () => this.#page.getByLabel("Link to this room").inputValue());
  }

  /** The four pictures with their words that vouch for the call. */
  async words() {
    return await until("four words", async () => {
      const words = await this.#page
        .getByRole("list", { name: "Four words to compare", includeHidden: true })
        .getByRole("listitem", { includeHidden: true })
        // Not what is rendered: the line that they stand behind may be folded.
        .allTextContents();
      return words.length === 4 && words.every((word) => word !== "") && words;
    });
  }

  /** Opens or closes what stands behind a line. */
  async unfold(words) {
    await this.#page.locator("summary").filter({ hasText: words }).click();
  }

  /** What of the partner reached the browser's engine: descriptions and candidates. */
  async delivered() {
    return await this.#page.evaluate(() => window.watched.delivered);
  }

  /** Where the browser says that it is. */
  address() {
    return this.#page.url();
  }

  /** Runs a function in the page. */
  async ask(question, argument) {
    return await this.#page.evaluate(question, argument);
  }

  /** What the browser itself knows of the newest call. */
  async call() {
    return await this.#page.evaluate(newestCall);
  }

  async screenshot(name) {
    await this.#page.screenshot({ path: join(import.meta.dirname, `../artifacts/${name}.png`) });
  }

  /** Closes the window as a person does. */
  async leave() {
    await this.#page.close({ runBeforeUnload: true });
  }
}

/** Runs before the page's own scripts: keeps every connection it makes, and what its policy forbade. */
function watchFromInside() {
  const Native = window.RTCPeerConnection;
  const watched = { calls: [], delivered: [], violations: [], tracks: [] };
  window.RTCPeerConnection = class extends Native {
    constructor(configuration) {
      const isWanted = (url) => window.relayUrls.test(url);
      const matching = (server) => ({ ...server, urls: server.urls.filter(isWanted) });
      super({ ...configuration, iceServers: configuration.iceServers.map(matching) });
      watched.calls.push({ pc: this, configuration });
    }
    setRemoteDescription(description) {
      watched.delivered.push(description.sdp);
      return super.setRemoteDescription(description);
    }
    addIceCandidate(candidate) {
      watched.delivered.push(candidate.candidate);
      return super.addIceCandidate(candidate);
    }
  };
  Object.defineProperty(window, "watched", { value: watched });
  document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
  });
  const devices = navigator.mediaDevices;
  const native = devices?.getUserMedia.bind(devices);
  if (native) {
    devices.getUserMedia = async (constraints) => {
      const stream = await native(constraints);
      watched.tracks.push(...stream.getTracks());
      return stream;
    };
  }
}

/** Every WebSocket fails, as it does behind a proxy that does not know them. */
function withoutWebSockets() {
  const Native = window.WebSocket;
  window.WebSocket = class extends EventTarget {
    static OPEN = Native.OPEN;
    readyState = Native.CLOSED;
    constructor() {
      super();
      setTimeout(() => this.dispatchEvent(new CloseEvent("close", { code: 1006 })));
    }
    close() {}
  };
}

async function newestCall() {
  const { pc, configuration } = window.watched.calls.at(-1);
  const stats = [...(await pc.getStats()).values()];
  const one = (id) => stats.find((entry) => entry.id === id);
  const inbound = (kind) => stats.find((entry) => entry.type === "inbound-rtp" && entry.kind === kind) ?? {};
  const transport = stats.find((entry) => entry.type === "transport") ?? {};
  const pair = one(transport.selectedCandidatePairId) ?? {};
  return {
    state: pc.connectionState,
    framesDecoded: inbound("video").framesDecoded ?? 0,
    audioPackets: inbound("audio").packetsReceived ?? 0,
    audioEnergy: inbound("audio").totalAudioEnergy ?? 0,
    bytesReceived: transport.bytesReceived ?? 0,
    localType: one(pair.localCandidateId)?.candidateType,
    relayProtocol: one(pair.localCandidateId)?.relayProtocol,
    remoteType: one(pair.remoteCandidateId)?.candidateType,
    policy: configuration.iceTransportPolicy,
    ice: configuration.iceServers,
    descriptions: [pc.localDescription, pc.remoteDescription].map((description) => description?.sdp ?? ""),
    calls: window.watched.calls.map((call) => call.pc.connectionState),
    liveTracks: window.watched.tracks.filter((track) => track.readyState === "live").length,
  };
}

const SWITCHES = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];
