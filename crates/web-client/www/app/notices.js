/**
 * What the page says when something fails, and what a person can do about it. One place for every failure.
 * @module
 */

import { isRelayHere } from "../sdk/candidates.js";

/** @typedef {"retry" | "audio" | "text" | "find" | "reconnect" | "dismiss"} Action */
/** @typedef {{ title: string, text: string, actions: Action[], asksToken?: boolean }} Notice */

/** @type {Record<Action, string>} */
export const ACTION_LABELS = {
  retry: "Try again",
  audio: "Continue with voice only",
  text: "Continue with text only",
  find: "Find someone else",
  reconnect: "Try now",
  dismiss: "Close",
};

/**
 * The notice for a failure. Codes are those of the server, of the SDK and of {@link
 * import("./media.js").Problem}.
 * @param {string} code
 * @param {{ text?: string, relays?: string[], inRoom?: boolean }} [about] `text`: the server's words,
 *   for codes that we do not know
 * @returns {Notice}
 */
export function noticeFor(code, about = {}) {
  if (code === "relay-unreachable") return relayUnreachable(about);
  const known = Object.hasOwn(NOTICES, code) ? NOTICES[code] : null;
  const notice = known ?? { title: "That did not work", text: about.text ?? "", actions: ["dismiss"] };
  // Somebody in a room is not sent to a stranger by mistake.
  return about.inRoom
    ? { ...notice, actions: notice.actions.map((a) => (a === "find" ? "retry" : a)) }
    : notice;
}

/** @param {{ relays?: string[], inRoom?: boolean }} about @returns {Notice} */
function relayUnreachable({ relays = [], inRoom = false }) {
  const firefox = navigator.userAgent.includes("Firefox/");
  return {
    title: "The relay could not be reached",
    text:
      isRelayHere(relays) && firefox
        ? "Firefox does not use a relay on the same machine. Open the page by this machine's network name " +
          "or address, or use another browser here."
        : "No picture, sound or text got through: something between you and the relay lets web pages pass, " +
          "but not calls (usually UDP, port 3478). Try another network, or switch off a VPN; whoever runs " +
          "this server can help.",
    actions: [inRoom ? "retry" : "find", "dismiss"],
  };
}

/** @type {Record<string, Notice>} */
const NOTICES = {
  insecure: {
    title: "This page may not use your camera or microphone",
    text:
      "Browsers allow them only over HTTPS, or at localhost on the same machine. Open the page by its " +
      "https address, or talk by text.",
    actions: ["text"],
  },
  unsupported: {
    title: "This browser cannot make calls",
    text: "It has no WebRTC, or it is switched off. Use a current Firefox, Chromium or Safari.",
    actions: ["dismiss"],
  },
  refused: {
    title: "The camera or microphone was not allowed",
    text: "To change that, use the symbol in the address bar, then try again. You can also talk without.",
    actions: ["retry", "audio", "text"],
  },
  "refused-microphone": {
    title: "The microphone was not allowed",
    text: "To change that, use the microphone symbol in the address bar, then try again. You can also write.",
    actions: ["retry", "text"],
  },
  "no-camera": {
    title: "No camera was found",
    text: "Plug one in and try again, or talk without a picture.",
    actions: ["retry", "audio", "text"],
  },
  "no-microphone": {
    title: "No microphone was found",
    text: "Plug one in and try again, or talk by text.",
    actions: ["retry", "text"],
  },
  "no-devices": {
    title: "No camera and no microphone were found",
    text: "Plug them in and try again, or talk by text.",
    actions: ["retry", "text"],
  },
  busy: {
    title: "The camera or microphone is in use",
    text: "Another program or window holds it. Close that and try again, or talk without.",
    actions: ["retry", "audio", "text"],
  },
  "device-lost": {
    title: "Your camera or microphone stopped",
    text: "It was unplugged, or another program took it. The conversation goes on without it.",
    actions: ["dismiss"],
  },
  "media-lost": {
    title: "The connection to your partner broke",
    text: "It did not come back in time. Usually a network was lost or changed on one of the two sides.",
    actions: ["find", "dismiss"],
  },
  "payload-refused": {
    title: "The call was refused for your protection",
    text: "Its set-up was not encrypted as it must be, or one of the two browsers did not understand it.",
    actions: ["find", "dismiss"],
  },
  "seal-broken": {
    title: "The call was ended for your protection",
    text:
      "A sealed message did not fit: somebody between you and your partner, perhaps this server, changed, " +
      "held back or repeated it; or one of you used an incomplete invite link. Nobody could read it.",
    actions: ["find", "dismiss"],
  },
  "not-sealed": {
    title: "The call was ended for your protection",
    text: "Your partner's program does not seal what it sends, so the server could read and change it.",
    actions: ["find", "dismiss"],
  },
  "not-your-partner": {
    title: "The call was ended for your protection",
    text:
      "The other end of the connection could not show that it is the partner you were introduced to. " +
      "Somebody may have put themselves in between.",
    actions: ["find", "dismiss"],
  },
  "strings-differ": {
    title: "Somebody may sit between you",
    text:
      "Different pictures mean that somebody else, perhaps whoever runs this server, could read, see and " +
      "hear everything. Do not go on here. Tell your partner another way.",
    actions: ["dismiss"],
  },
  "server-gone": {
    title: "The server cannot be reached",
    text: "We keep trying, with growing pauses. Check your network connection.",
    actions: ["reconnect"],
  },
  "cut-off": {
    title: "You were cut off",
    text: "The server went away for a moment, and what was running went with it. You can start again.",
    actions: ["dismiss"],
  },
  "outlived-room": {
    title: "The conversation is over",
    text:
      "Your partner left, or the connection between you broke. The server had lost your room before, so " +
      "nobody can come back to it: open another one.",
    actions: ["dismiss"],
  },
  "bad-invitation": {
    title: "This link is not whole",
    text: "A part of it got lost on its way to you. Copy all of it once more, or ask for it again.",
    actions: ["dismiss"],
  },
  "no-room": {
    title: "This room does not exist, or it is full",
    text: "A room is there while somebody is in it. Ask whoever invited you, or open a room yourself.",
    actions: ["retry", "dismiss"],
  },
  "rooms-off": {
    title: "This server has no rooms",
    text: "Whoever runs it switched them off. You can still meet somebody by pressing Start.",
    actions: ["dismiss"],
  },
  expired: {
    title: "That took too long",
    text: "The server lets nobody wait without end. You can start again.",
    actions: ["retry", "dismiss"],
  },
  "room-expired": {
    title: "Your room was closed",
    text: "Nobody came for so long that the server closed it. Its link leads nowhere now; open another room.",
    actions: ["retry", "dismiss"],
  },
  "time-up": {
    title: "The conversation's time was up",
    text: "The server ends every conversation after some hours. You can start again.",
    actions: ["dismiss"],
  },
  "too-fast": {
    title: "That was a little fast",
    text: "Wait a few seconds, then try again.",
    actions: ["retry", "dismiss"],
  },
  "server-full": {
    title: "The server is full",
    text: "It takes no more people just now. Try again in a minute.",
    actions: ["retry", "dismiss"],
  },
  "queue-full": {
    title: "Too many people are waiting",
    text: "Try again in a minute.",
    actions: ["retry", "dismiss"],
  },
  banned: {
    title: "This server takes no one from your network just now",
    text:
      "People in several other networks reported somebody at your address within the last hour. It need " +
      "not have been you. The server forgets it by itself, usually within an hour; then try again.",
    actions: ["reconnect"],
  },
  draining: {
    title: "The server is being replaced",
    text: "It brings nobody together any more. Try again in a minute.",
    actions: ["retry", "dismiss"],
  },
  "not-admitted": {
    title: "This server is not open to everybody",
    text: "It lets in those who have a token from whoever runs it. The page keeps it nowhere.",
    actions: [],
    asksToken: true,
  },
  reported: {
    title: "You left and reported somebody",
    text: "They are not told of it.",
    actions: ["dismiss"],
  },
  "sealed-required": {
    title: "This page is older than its server",
    text: "The server asks for more than this page can do. Reload the page.",
    actions: ["dismiss"],
  },
};
