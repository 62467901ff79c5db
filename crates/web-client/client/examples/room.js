/**
 * Somebody opens a room and sends the link; whoever opens the link is there, with picture and sound.
 */

import { Ginnel } from "@ginnel/client";

/**
 * @param {HTMLVideoElement} video where the partner is seen
 * @param {(link: string) => void} share gets the link to send, where this page was not opened by one
 */
export async function meetInARoom(video, share) {
  const invitation = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  const devices = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const ginnel = new Ginnel();
  await ginnel.setTracks({ audio: devices.getAudioTracks()[0], video: devices.getVideoTracks()[0] });
  ginnel.on("open", ({ resumed }) => {
    if (resumed) return;
    if (invitation === "") ginnel.open("video");
    else ginnel.join(invitation, "video");
  });
  ginnel.on("room", (room) => share(new URL(`#${room.invitation}`, location.href).href));
  ginnel.on("stream", ({ stream }) => {
    video.srcObject = stream;
  });
  ginnel.connect();
  return ginnel;
}
