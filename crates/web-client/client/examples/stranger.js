/**
 * Two people who press the same button write to each other.
 */

import { Ginnel } from "@ginnel/client";

/**
 * @param {(line: string) => void} show what the person reads
 * @param {{ url?: string }} [server] its `/signal`; by default it is where the page is
 * @returns {{ write: (text: string) => boolean, stop: () => void }}
 */
export function talkToAStranger(show, { url } = {}) {
  const ginnel = new Ginnel({ url });
  ginnel.on("open", ({ resumed }) => resumed || ginnel.find({ media: "text" }));
  ginnel.on("verify", ({ signs }) =>
    show(`Compare by telephone: ${signs.map(({ name }) => name).join(" ")}`),
  );
  ginnel.on("state", ({ state }) => show(state));
  ginnel.on("text", ({ text }) => show(`Partner: ${text}`));
  ginnel.on("gone", () => ginnel.find({ media: "text" }));
  ginnel.on("failed", ({ text }) => show(text));
  ginnel.on("error", ({ text }) => show(text));
  ginnel.connect();
  return { write: (text) => ginnel.sendText(text), stop: () => ginnel.close() };
}
