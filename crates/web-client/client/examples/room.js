/**
 * Somebody opens a room and sends the link; whoever opens the link is there, with picture and sound.
 */

import { Ginnel } from "@ginnel/client";

/**
 * @param {HTMLVideoElement} video where the partner is seen
 * @param {(link: string) => void} share gets the link to send, where this page was not opened by one
 * @param {{ url?: string }} [server] its `/signal`; by default it is where the page is
 * @returns {Promise<Ginnel>} whose `failed` and `error` say what goes wrong, as where the room is full
 */
export async function meetInARoom(video, share, { url } = {}) {
  const invitation = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  const devices = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const ginnel = new Ginnel({ url });
  await ginnel.setTracks({ audio: devices.getAudioTracks()[0], video: devices.getVideoTracks()[0] });
  ginnel.on("open", ({ resumed }) => {
    if (resumed) return;
    if (invitation === "") ginnel.open("video");
    else ginnel.join(invitation, "video");
  });
  ginnel.on("room", (room) => {
    if (invitation === "") share(new URL(`#${room.invitation}`, location.href).href);
  });
  ginnel.on("stream", ({ stream }) => {
    video.srcObject = stream;
  });
  for (const end of /** @type {const} */ (["gone", "failed"])) {
    ginnel.on(end, () => {
      video.srcObject = null;
    });
  }
  ginnel.connect();
  return ginnel;
}
