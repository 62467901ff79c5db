/**
 * What a person can see and decide about who else is there: the string to compare, whether the partner may
 * learn this side's address, and a report. It lives beside the chat and says nothing in it.
 * @module
 */

import { copyOf, element, part } from "./view.js";

/** @typedef {import("../sdk/ginnel.js").Verification} Verification */
/** @typedef {import("../sdk/protocol.js").Exposure} Exposure */
/** @typedef {import("../sdk/protocol.js").Media} Media */
/** @typedef {import("../sdk/protocol.js").Reason} Reason */
/** @typedef {import("../sdk/session.js").Consent} Consent */
/** @typedef {import("../sdk/session.js").Path} Path */
/**
 * @typedef {{ goDirect: () => void, differs: () => void, report: (why: Reason) => void }} Decisions
 */

export class Privacy {
  panel = copyOf("privacy-of");
  #verify = part(this.panel, ".verify", HTMLDetailsElement);
  #path = part(this.panel, ".path", HTMLDetailsElement);
  #goDirect = part(this.panel, ".go-direct", HTMLButtonElement);
  #media;

  /**
   * A partner is there.
   * @param {string} name
   * @param {{ media: Media, exposure: Exposure }} about
   * @param {Decisions} decisions
   */
  constructor(name, { media, exposure }, { goDirect, differs, report }) {
    this.#media = media;
    this.panel.setAttribute("aria-label", name);
    part(this.panel, ".who", HTMLElement).textContent = name;
    this.#button(".same", () => {
      this.#verify.open = false;
      this.#verify.dataset.state = "verified";
      this.#say(".verify summary", "Compared: nobody is in between");
      part(this.panel, ".verify .actions", HTMLElement).hidden = true;
      part(this.#verify, "summary", HTMLElement).focus();
    });
    this.#button(".differ", differs);
    this.#button(".go-direct", () => {
      part(this.#path, "summary", HTMLElement).focus();
      goDirect();
    });
    const why = part(this.panel, ".why", HTMLSelectElement);
    this.#button(".send-report", () => report(/** @type {Reason} */ (why.value)));
    // Opening one closes another, which may move it out of sight.
    for (const details of this.panel.querySelectorAll("details")) {
      details.addEventListener("toggle", () => details.open && details.scrollIntoView({ block: "nearest" }));
    }
    this.#goDirect.hidden = exposure !== "consent";
    this.#showPathAs("hidden", "Your address is hidden", PATHS[exposure]);
  }

  /** The partner is gone, and can still be reported. */
  end() {
    this.#verify.hidden = true;
    this.#path.hidden = true;
  }

  /** @param {Verification} verification */
  showString({ signs, invited }) {
    const items = signs.map(({ emoji, name }) => {
      const item = document.createElement("li");
      const picture = document.createElement("span");
      picture.textContent = emoji;
      picture.ariaHidden = "true";
      item.append(picture, name);
      return item;
    });
    part(this.panel, ".signs", HTMLElement).replaceChildren(...items);
    this.#verify.hidden = false;
    this.#verify.open = false;
    this.#verify.dataset.state = invited ? "verified" : "open";
    part(this.panel, ".verify .actions", HTMLElement).hidden = invited;
    this.#say(".verify summary", invited ? "You both hold the invite link" : "Is nobody in between?");
    this.#say(".verify p", invited ? INVITED : COMPARE[this.#media === "text" ? "text" : "voice"]);
  }

  /** @param {Consent} consent */
  showConsent({ own, partner }) {
    this.#goDirect.hidden = own;
    if (own && partner) this.#showPathAs("asked", "Connecting directly", PATHS.direct);
    else if (own) this.#showPathAs("asked", "You offered to connect directly", ASKED);
    else if (partner) {
      this.#showPathAs("asked", "Your partner offers to connect directly", OFFERED);
      this.#path.open = true;
    }
  }

  /** @param {Path} path */
  showPath(path) {
    if (path === "direct") {
      this.#goDirect.hidden = true;
      this.#showPathAs("direct", "Connected directly", PATHS.direct);
    } else if (this.#path.dataset.state === "direct") {
      // The way was lost again; what the partner has learned stays so.
      this.#showPathAs("asked", "Connecting directly", PATHS.direct);
    }
  }

  /** @param {string} state @param {string} summary @param {string} text */
  #showPathAs(state, summary, text) {
    this.#path.dataset.state = state;
    this.#say(".path summary", summary);
    // Who does not see it change is told.
    if (state !== "hidden") element("aside", HTMLElement).textContent = summary;
    this.#say(".path p", text);
  }

  /** @param {string} selector @param {string} text */
  #say(selector, text) {
    part(this.panel, selector, HTMLElement).textContent = text;
  }

  /** @param {string} selector @param {() => void} action */
  #button(selector, action) {
    part(this.panel, selector, HTMLButtonElement).addEventListener("click", action);
  }
}

const COMPARE = {
  voice:
    "Say these four words to each other. If you both see the same, nobody sits between you and listens. " +
    "Compare by voice, never in the text chat: somebody in between could change what you write.",
  text:
    "Compare these four words by telephone or another way, never in this chat: somebody in between could " +
    "change what you write. If you both see the same, nobody can read along.",
};

const INVITED =
  "The call is sealed with a secret out of the link, which this server never saw. Nobody without the link " +
  "can be in between. If the link may have got about, compare the four words by voice.";

/** @type {Record<Exposure, string>} */
const PATHS = {
  relay: "Everything passes through this server's relay, so your partner cannot learn your network address.",
  consent:
    "Everything passes through this server's relay. A direct connection can be better and faster, but your " +
    "partner can then learn your network address, and roughly where you are. It takes both of you to agree.",
  direct:
    "You and your partner can learn each other's network address. Where no direct way is found, the relay " +
    "goes on carrying the conversation.",
};

const ASKED = "Nothing changes unless your partner agrees. It cannot be taken back in this conversation.";

const OFFERED =
  "A direct connection can be better and faster, but your partner can then learn your network address, and " +
  "roughly where you are. If you do nothing, everything stays as it is.";
