/**
 * What a person can see and decide about who else is there: the string to compare, and whether the partner
 * may learn this side's address. It lives beside the chat and says nothing in it.
 * @module
 */

import { element } from "./view.js";

/** @typedef {import("../sdk/ginnel.js").Verification} Verification */
/** @typedef {import("../sdk/protocol.js").Exposure} Exposure */
/** @typedef {import("../sdk/protocol.js").Media} Media */
/** @typedef {import("../sdk/session.js").Consent} Consent */
/** @typedef {import("../sdk/session.js").Path} Path */

export class Privacy {
  #whole = element("privacy", HTMLElement);
  #verify = element("verify", HTMLDetailsElement);
  #path = element("path", HTMLDetailsElement);
  #same = element("same", HTMLButtonElement);
  #goDirect = element("go-direct", HTMLButtonElement);
  /** @type {Media} */
  #media = "video";

  /** @param {{ goDirect: () => void, differs: () => void }} decisions */
  constructor({ goDirect, differs }) {
    this.#same.addEventListener("click", () => {
      this.#verify.open = false;
      this.#verify.dataset.state = "verified";
      say("verify-summary", "Compared: nobody is in between");
      element("verify-actions", HTMLElement).hidden = true;
    });
    element("differ", HTMLButtonElement).addEventListener("click", differs);
    this.#goDirect.addEventListener("click", goDirect);
  }

  /** A partner is there. @param {Exposure} exposure @param {Media} media */
  begin(exposure, media) {
    this.#media = media;
    this.#whole.hidden = false;
    this.#verify.hidden = true;
    this.#path.hidden = false;
    this.#path.open = false;
    this.#goDirect.hidden = exposure !== "consent";
    this.#goDirect.disabled = false;
    this.#showPathAs("hidden", "Your address is hidden", PATHS[exposure]);
  }

  /** There is no partner any more. */
  end() {
    this.#whole.hidden = true;
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
    element("signs", HTMLElement).replaceChildren(...items);
    this.#verify.hidden = false;
    this.#verify.open = false;
    this.#verify.dataset.state = invited ? "verified" : "open";
    element("verify-actions", HTMLElement).hidden = invited;
    say("verify-summary", invited ? "You both hold the invite link" : "Is nobody in between?");
    say("verify-text", invited ? INVITED : COMPARE[this.#media === "text" ? "text" : "voice"]);
  }

  /** @param {Consent} consent */
  showConsent({ own, partner }) {
    this.#goDirect.disabled = own;
    if (own && partner) this.#showPathAs("asked", "Connecting directly", PATHS.direct);
    else if (own) this.#showPathAs("asked", "You offered to connect directly", ASKED);
    else if (partner) {
      this.#showPathAs("asked", "Your partner offers to connect directly", OFFERED);
      this.#path.open = true;
    }
  }

  /** @param {Path} path */
  showPath(path) {
    if (path !== "direct") return;
    this.#goDirect.hidden = true;
    this.#showPathAs("direct", "Connected directly", PATHS.direct);
  }

  /** @param {string} state @param {string} summary @param {string} text */
  #showPathAs(state, summary, text) {
    this.#path.dataset.state = state;
    say("path-summary", summary);
    say("path-text", text);
  }
}

/** @param {string} id @param {string} text */
function say(id, text) {
  element(id, HTMLElement).textContent = text;
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
