/**
 * This side's camera and microphone: asked for once, muted, switched off and on, and let go of.
 * @module
 */

/** @typedef {import("../sdk/protocol.js").Media} Media */
/**
 * @typedef {"insecure" | "unsupported" | "refused" | "refused-microphone" | "no-camera" | "no-microphone"
 *   | "no-devices" | "busy"} Problem
 */

export class LocalMedia {
  /** @type {MediaStreamTrack | null} */
  audio = null;
  /** @type {MediaStreamTrack | null} */
  video = null;
  /** Counts {@link release}: what was asked for before is not wanted any more. */
  #released = 0;
  #onLost;

  /** @param {(kind: "audio" | "video") => void} onLost called when a device stops by itself */
  constructor(onLost) {
    this.#onLost = onLost;
  }

  /**
   * Asks for what this kind of conversation needs, and keeps it.
   * @param {Media} media
   * @returns {Promise<Problem | null>} what is in the way, if anything
   */
  async acquire(media) {
    this.release();
    if (!("RTCPeerConnection" in window)) return "unsupported";
    if (media === "text") return null;
    if (!navigator.mediaDevices?.getUserMedia) return window.isSecureContext ? "unsupported" : "insecure";
    const released = this.#released;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: true,
        video: media === "video" && VIDEO,
      });
      this.#keep(stream, released);
      return null;
    } catch (error) {
      return await problemOf(error, media);
    }
  }

  /** @returns {boolean} whether the microphone is on now */
  toggleMicrophone() {
    if (this.audio) this.audio.enabled = !this.audio.enabled;
    return this.isMicrophoneOn;
  }

  /**
   * Switches the camera itself off, so that its light goes out, or on again.
   * @returns {Promise<Problem | null>}
   */
  async toggleCamera() {
    if (this.video) {
      this.#stop("video");
      return null;
    }
    const released = this.#released;
    try {
      this.#keep(await navigator.mediaDevices.getUserMedia({ video: VIDEO }), released);
      return null;
    } catch (error) {
      return await problemOf(error, "video");
    }
  }

  /** Lets go of every device. */
  release() {
    this.#released += 1;
    this.#stop("audio");
    this.#stop("video");
  }

  get isMicrophoneOn() {
    return this.audio?.enabled === true;
  }

  get isCameraOn() {
    return this.video !== null;
  }

  /**
   * @param {MediaStream} stream
   * @param {number} released
   */
  #keep(stream, released) {
    for (const track of stream.getTracks()) {
      const kind = track.kind === "audio" ? "audio" : "video";
      if (released !== this.#released || this[kind]) {
        track.stop();
        continue;
      }
      this[kind] = track;
      track.addEventListener("ended", () => {
        if (this[kind] !== track) return;
        this[kind] = null;
        this.#onLost(kind);
      });
    }
  }

  /** @param {"audio" | "video"} kind */
  #stop(kind) {
    this[kind]?.stop();
    this[kind] = null;
  }
}

/**
 * @param {unknown} error what `getUserMedia` rejected with
 * @param {Media} media
 * @returns {Promise<Problem>}
 */
async function problemOf(error, media) {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") {
    return media === "video" ? "refused" : "refused-microphone";
  }
  if (name !== "NotFoundError" && name !== "OverconstrainedError") return "busy";
  if (media === "audio") return "no-microphone";
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  const hasMicrophone = devices.some(({ kind }) => kind === "audioinput");
  const hasCamera = devices.some(({ kind }) => kind === "videoinput");
  if (hasCamera === hasMicrophone) return "no-devices";
  return hasCamera ? "no-microphone" : "no-camera";
}

/** A face needs no more, and everything passes the relay. */
const VIDEO = {
  width: { ideal: 640 },
  height: { ideal: 480 },
  frameRate: { ideal: 24, max: 30 },
  facingMode: "user",
};
