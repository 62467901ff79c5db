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

trustOwnWorker();
const call = new Call();
const form = element("form", HTMLFormElement);
/** What the link said of the room that this page was invited to: its code and its secret. */
let invitation = "";

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const kind = invitation === "" ? "stranger" : "guest";
  void call.begin({ kind, want: wants(), code: invitation, size: 2 });
  invitation = "";
});
onClick("open", () => void call.begin({ kind: "host", want: wants(), code: "", size: room_size() }));
onClick("decline", () => {
  invitation = "";
  call.invite("");
});
onClick("mute", () => call.toggleMicrophone());
onClick("camera", () => void call.toggleCamera());
onClick("invite", () => void call.copyLink());
onClick("next", () => call.next());
onClick("again", () => call.next());
onClick("stop", () => call.stop());

addEventListener("hashchange", takeInvitation);
addEventListener("online", () => call.reconnect());
addEventListener("pagehide", () => call.leavePage());
// A page that comes back out of the browser's cache has no connection and no devices any more.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
takeInvitation();
takeOver();

/** Until now the page could only say that its program did not come. */
function takeOver() {
  element("unloaded", HTMLElement).remove();
  for (const id of ["go", "open"]) element(id, HTMLButtonElement).disabled = false;
}

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
  if (invitation === "") call.say("bad-invitation");
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

/** How many the room is for. */
function room_size() {
  return Number(element("size", HTMLSelectElement).value);
}

/**
 * @param {string} id
 * @param {() => void} action
 */
function onClick(id, action) {
  element(id, HTMLButtonElement).addEventListener("click", action);
}

/** The page may start scripts from no URL, but for its worker's: what computes a proof of work. */
function trustOwnWorker() {
  const own = new URL("../sdk/proof-worker.js", import.meta.url).href;
  const { trustedTypes } = /** @type {any} */ (globalThis);
  trustedTypes?.createPolicy("default", {
    createScriptURL: (/** @type {string} */ url) => (url === own ? url : null),
  });
}
