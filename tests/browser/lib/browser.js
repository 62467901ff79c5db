/**
 * A real browser with pretended devices, and people who use the page in it by what they see: names and roles.
 * Everything that knows the driver is in this file: Playwright, which drives an unchanged Firefox by
 * WebDriver BiDi. Its version is the last that asks for no command that Firefox ESR 153 does not have.
 */
import { join } from "node:path";

import { chromium, firefox } from "playwright-core";

import { misfit } from "./schema.js";
import { PATIENCE_MS, until } from "./until.js";

/** One browser; every visitor has a profile of their own. */
export class Browser {
  #browser;
  #visitors = [];

  /**
   * @param {{
   *   devices?: boolean, allow?: boolean, udp?: boolean, home?: string, program?: string, more?: string[],
   * }} [options]
   *   `devices`: are there a camera and a microphone; `allow`: does the person allow them;
   *   `udp`: may calls use UDP (a VPN or a privacy extension forbids it just like this);
   *   `home`: the home directory of whoever runs it, where trusted certificates are;
   *   `program`: what starts it; `more`: switches
   */
  static async launch({
    devices = true,
    allow = true,
    udp = true,
    home = process.env.HOME,
    program = CHROMIUM,
    more = [],
  } = {}) {
    const browser = new Browser();
    browser.#browser = await chromium.launch({
      executablePath: program,
      headless: true,
      timeout: PATIENCE_MS,
      env: { ...process.env, HOME: home },
      args: [
        ...SWITCHES,
        ...(devices ? ["--use-fake-device-for-media-stream"] : []),
        allow ? "--use-fake-ui-for-media-stream" : "--deny-permission-prompts",
        ...(udp ? [] : ["--webrtc-ip-handling-policy=disable_non_proxied_udp"]),
        ...more,
      ],
    });
    return browser;
  }

  /** Firefox, with devices that everybody allows. */
  static async launchFirefox() {
    const browser = new Browser();
    browser.#browser = await firefox.launch({
      executablePath: FIREFOX,
      channel: "moz-firefox",
      headless: true,
      timeout: PATIENCE_MS,
      firefoxUserPrefs: {
        "media.autoplay.default": 0,
        "media.navigator.permission.disabled": true,
        "media.navigator.streams.fake": true,
      },
    });
    return browser;
  }

  /**
   * Somebody opens the page. `relay`: of the relay's URLs it uses those only that match; `webSockets`: do
   * they get through, which they do not in some offices; `frames`: how long the page stands still is
   * measured; `script`: what runs before the page's own; `withhold`: files that never arrive; `scripting`:
   * may pages run scripts at all. A certificate that nobody trusts is accepted, as people do; QUIC does not
   * hear of that.
   */
  async visit(
    url,
    {
      viewport = { width: 1280, height: 800 },
      colorScheme = "light",
      relay = "",
      webSockets = true,
      frames = false,
      script = null,
      withhold = null,
      scripting = true,
    } = {},
  ) {
    const settings = { viewport, colorScheme, permissions: [], ignoreHTTPSErrors: true };
    const context = await this.#browser.newContext({ ...settings, javaScriptEnabled: scripting });
    context.setDefaultTimeout(PATIENCE_MS);
    await context.addInitScript((pattern) => {
      window.relayUrls = new RegExp(pattern);
    }, relay);
    if (script) await context.addInitScript(script);
    if (withhold) await context.route(withhold, (route) => route.abort());
    if (frames) await context.addInitScript(watchFrames);
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
  /** The scripts that the page ran in threads of their own. */
  workers = [];
  #frames = [];
  #page;

  static async arrive(context, url) {
    const visitor = new Visitor();
    await context.addInitScript(watchFromInside);
    const page = await context.newPage();
    visitor.#page = page;
    page.on("request", (request) => visitor.requests.push(request.url()));
    page.on("websocket", (socket) => {
      visitor.requests.push(socket.url());
      // A development server has one of its own.
      if (!socket.url().endsWith("/signal")) return;
      socket.on("framereceived", ({ payload }) => visitor.#frames.push(String(payload)));
      const check = (side) => ({ payload }) => {
        const wrong = misfit(side, String(payload));
        if (wrong) visitor.complaints.push(`schema: ${wrong}`);
      };
      socket.on("framesent", check("ClientMessage"));
      socket.on("framereceived", check("ServerMessage"));
    });
    page.on("worker", (worker) => visitor.workers.push(worker.url()));
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

  /** Is there such a button, and does it do anything? */
  async canPress(name) {
    return await this.#page.getByRole("button", { name, exact: true }).isEnabled();
  }

  /** Chooses Video, Voice or Text. */
  async choose(media) {
    await this.#page.getByRole("radio", { name: media }).check();
  }

  /** Chooses from a list. */
  async pick(label, choice) {
    await this.#page.getByLabel(label).selectOption(choice);
  }

  /** Presses a key. */
  async key(name) {
    await this.#page.keyboard.press(name);
  }

  async fill(label, text) {
    await this.#page.getByLabel(label).fill(text);
  }

  /** Waits until the words can be seen. */
  async sees(words) {
    await until(`"${words}" on the page`, () => this.shows(words));
  }

  async cannotSee(words) {
    await until(`no "${words}" on the page`, async () => !(await this.shows(words)));
  }

  /** Whether the words can be seen now. */
  async shows(words) {
    return await this.#page.getByText(words).first().isVisible();
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
    return (await this.allWords(1))[0];
  }

  /** The same for each of so many partners. */
  async allWords(count) {
    return await until(`four words of each of ${count}`, async () => {
      const words = await this.#page
        .getByRole("list", { name: "Four words to compare", includeHidden: true })
        .getByRole("listitem", { includeHidden: true })
        // Not what is rendered: the line that they stand behind may be folded.
        .allTextContents();
      if (words.length !== 4 * count || words.includes("")) return null;
      return Array.from({ length: count }, (_, at) => words.slice(4 * at, 4 * at + 4));
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

  /** All that reached the page, whether it made use of it or not: frames, and what was sealed in them. */
  async received() {
    return [...this.#frames, ...(await this.#page.evaluate(() => window.watched.opened))];
  }

  /** Where the browser says that it is. */
  address() {
    return this.#page.url();
  }

  /** Runs a function in the page. */
  async ask(question, argument) {
    return await this.#page.evaluate(question, argument);
  }

  /** How every call that the page has made is now, the oldest first. */
  async calls() {
    return (await this.call()).calls;
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

/** Waits until the words can be seen on one page: the other one may only see its partner leave. */
export async function oneSees(pages, words) {
  await until(`"${words}" on a page`, async () =>
    (await Promise.all(pages.map((page) => page.shows(words)))).some(Boolean),
  );
}

/** Runs before the page's own scripts: keeps every connection it makes, and what its policy forbade. */
function watchFromInside() {
  const Native = window.RTCPeerConnection;
  const watched = { calls: [], delivered: [], opened: [], tracks: [] };
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
  const decrypt = crypto.subtle?.decrypt.bind(crypto.subtle);
  if (decrypt) {
    crypto.subtle.decrypt = async (...sealed) => {
      const plain = await decrypt(...sealed);
      watched.opened.push(new TextDecoder().decode(plain));
      return plain;
    };
  }
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

/** Keeps the longest time between two frames: so long the page answered to nothing. */
function watchFrames() {
  let last_ms = performance.now();
  window.standstill_ms = 0;
  const look = (now_ms) => {
    window.standstill_ms = Math.max(window.standstill_ms, now_ms - last_ms);
    last_ms = now_ms;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
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
    bytesReceived: transport.bytesReceived ?? pair.bytesReceived ?? 0,
    localType: one(pair.localCandidateId)?.candidateType,
    relayProtocol: one(pair.localCandidateId)?.relayProtocol,
    remoteType: one(pair.remoteCandidateId)?.candidateType,
    policy: configuration.iceTransportPolicy,
    ice: configuration.iceServers,
    // What stands in each packet's header for everybody on its way to read.
    extensions: [...pc.getSenders(), ...pc.getReceivers()].flatMap((one) =>
      (one.getParameters().headerExtensions ?? []).map(({ uri }) => uri),
    ),
    descriptions: [pc.localDescription, pc.remoteDescription].map((description) => description?.sdp ?? ""),
    calls: window.watched.calls.map((call) => call.pc.connectionState),
    liveTracks: window.watched.tracks.filter((track) => track.readyState === "live").length,
  };
}

/** The programs. */
export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

const SWITCHES = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];
