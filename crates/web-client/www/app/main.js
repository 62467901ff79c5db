/**
 * The page's beginning: buttons to decisions, and a room's code out of the address bar.
 * @module
 */

import { Call } from "./call.js";
import { element } from "./view.js";

/** @typedef {import("../sdk/protocol.js").Media} Media */
/** @typedef {import("../sdk/protocol.js").Want} Want */

/** What the protocol allows in a `find`. */
const tags_max = 8;
const langs_max = 4;
const tag_chars_max = 32;
const LANGUAGE = /^[a-z]{2,8}(-[a-z0-9]{1,8})*$/;
const ROOM_CODE = /^[\w-]{16,128}$/;

const call = new Call();
const form = element("form", HTMLFormElement);
/** The code of the room that this page was invited to. */
let invitation = "";

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const kind = invitation === "" ? "stranger" : "guest";
  void call.begin({ kind, want: wants(), code: invitation });
  invitation = "";
});
onClick("open", () => void call.begin({ kind: "host", want: wants(), code: "" }));
onClick("decline", () => {
  invitation = "";
  call.invite("");
});
onClick("mute", () => call.toggleMicrophone());
onClick("camera", () => void call.toggleCamera());
onClick("next", () => call.next());
onClick("again", () => call.next());
onClick("stop", () => call.stop());

addEventListener("hashchange", takeInvitation);
addEventListener("online", () => call.reconnect());
addEventListener("pagehide", () => call.leavePage());
// A page that comes back out of the browser's cache has no connection and no devices any more.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
takeInvitation();

/** Takes the code out of the address, so that neither the history nor a screenshot gives the room away. */
function takeInvitation() {
  const code = location.hash.slice(1);
  if (code === "") return;
  history.replaceState(null, "", location.pathname + location.search);
  invitation = ROOM_CODE.test(code) ? code : "";
  call.invite(invitation);
  if (invitation === "") call.say("no-room");
}

/** @returns {Want} */
function wants() {
  const fields = new FormData(form);
  const tags = words(fields.get("tags"), /,/).slice(0, tags_max);
  const langs = words(fields.get("langs"), /[\s,]+/)
    .filter((lang) => LANGUAGE.test(lang))
    .slice(0, langs_max);
  return {
    media: /** @type {Media} */ (fields.get("media")),
    ...(tags.length > 0 ? { tags } : {}),
    ...(langs.length > 0 ? { langs } : {}),
  };
}

/**
 * @param {FormDataEntryValue | null} value
 * @param {RegExp} separator
 */
function words(value, separator) {
  const all = String(value ?? "")
    .toLowerCase()
    .split(separator);
  const cleaned = all.map((word) => word.trim().slice(0, tag_chars_max)).filter((word) => word !== "");
  return [...new Set(cleaned)];
}

/**
 * @param {string} id
 * @param {() => void} action
 */
function onClick(id, action) {
  element(id, HTMLButtonElement).addEventListener("click", action);
}
