/**
 * The page's beginning: buttons to decisions, and a room's code out of the address bar.
 * @module
 */

import { parseInvitation } from "../sdk/courier.js";
import { Call } from "./call.js";
import { element } from "./view.js";
import { langs, tags } from "./wishes.js";

/** @typedef {import("../sdk/protocol.js").Media} Media */
/** @typedef {import("../sdk/protocol.js").Want} Want */

const call = new Call();
const form = element("form", HTMLFormElement);
/** What the link said of the room that this page was invited to: its code and its secret. */
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

/**
 * Takes the invitation out of the address, so that neither the history nor a screenshot gives the room away.
 * What stands behind the # never went to the server.
 */
function takeInvitation() {
  const text = location.hash.slice(1);
  if (text === "") return;
  history.replaceState(null, "", location.pathname + location.search);
  invitation = parseInvitation(text) ? text : "";
  call.invite(invitation);
  if (invitation === "") call.say("no-room");
}

/** @returns {Want} */
function wants() {
  const fields = new FormData(form);
  return {
    media: /** @type {Media} */ (fields.get("media")),
    tags: tags(String(fields.get("tags"))),
    langs: langs(String(fields.get("langs"))),
  };
}

/**
 * @param {string} id
 * @param {() => void} action
 */
function onClick(id, action) {
  element(id, HTMLButtonElement).addEventListener("click", action);
}
