/**
 * The text chat: a list that only grows by text nodes, and a line to write in.
 * @module
 */

import { text_chars_max } from "../sdk/limits.js";
import { element } from "./view.js";

export class Chat {
  #list = element("messages", HTMLElement);
  #form = element("write", HTMLFormElement);
  #line = element("text", HTMLInputElement);
  #button = element("send", HTMLButtonElement);

  /** @param {(text: string) => boolean} send returns whether the text left */
  constructor(send) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#line.value.trim().slice(0, text_chars_max);
      if (text === "") return;
      if (!send(text)) {
        this.note("That was not sent: there is no connection just now.");
        return;
      }
      this.#add("me", "You", text);
      this.#line.value = "";
    });
  }

  /**
   * @param {string} text somebody's words: shown as they are, never as markup or links
   * @param {string} name of who wrote them; shown where there are several
   */
  receive(text, name) {
    this.#add("partner", name, text);
  }

  /** @param {string} text something that happened */
  note(text) {
    this.#add("note", "", text);
  }

  /** @param {boolean} enabled whether there is somebody to write to */
  enable(enabled) {
    this.#line.disabled = !enabled;
    this.#button.disabled = !enabled;
  }

  clear() {
    this.#list.replaceChildren();
    this.#line.value = "";
  }

  focus() {
    this.#line.focus();
  }

  /**
   * @param {"me" | "partner" | "note"} from
   * @param {string} name
   * @param {string} text
   */
  #add(from, name, text) {
    const isAtEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
    const item = document.createElement("p");
    item.className = from;
    if (name !== "") {
      const who = document.createElement("span");
      // With two there is no doubt who wrote what, for those who see on which side it stands.
      who.className = name.startsWith("Guest") ? "who" : "unseen";
      who.textContent = `${name}: `;
      item.append(who);
    }
    const words = document.createElement("bdi");
    words.textContent = text;
    item.append(words);
    this.#list.append(item);
    while (this.#list.childElementCount > messages_max) this.#list.firstElementChild?.remove();
    if (isAtEnd || from === "me") this.#list.scrollTop = this.#list.scrollHeight;
  }
}

/** A partner who writes without end does not fill the memory. */
const messages_max = 500;
