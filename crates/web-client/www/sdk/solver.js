/**
 * Answers a server's challenge without holding up the page: in a worker, or where there can be none, as in
 * Node, in slices with pauses in between.
 * @module
 */

import { work_pause_tries, work_slice_tries, worker_start_ms_max } from "./limits.js";
import { makeSearch, search, work } from "./proof.js";

/** @typedef {import("./proof.js").Task} Task */
/**
 * `tried`: how many nonces so far. `signal` ends it.
 * @typedef {{ progress: (tried: number) => void, signal: AbortSignal }} Watch
 */

/**
 * Finds the nonce; `null` where it was ended.
 * @param {Task} task
 * @param {Watch} watch
 * @returns {Promise<string | null>}
 */
export async function solve(task, watch) {
  for (const start of [...usable]) {
    const worker = attempt(start);
    const nonce = worker && (await inWorker(worker, task, watch));
    if (nonce || watch.signal.aborted) return nonce;
    usable.delete(start);
  }
  return await inSlices(task, watch);
}

/** `null` where there are no workers, or the page's policy allows none. @param {() => Worker} start */
function attempt(start) {
  if (typeof Worker === "undefined") return null;
  try {
    return start();
  } catch {
    return null;
  }
}

/**
 * @param {Worker} worker
 * @param {Task} task
 * @param {Watch} watch
 * @returns {Promise<string | null>} `null` where the worker did not start, or was ended
 */
function inWorker(worker, task, { progress, signal }) {
  return new Promise((resolve) => {
    /** @param {string | null} nonce */
    const end = (nonce) => {
      clearTimeout(timer);
      worker.terminate();
      resolve(nonce);
    };
    const timer = setTimeout(end, worker_start_ms_max, null);
    worker.addEventListener("error", () => end(null));
    worker.addEventListener("message", ({ data }) => {
      clearTimeout(timer);
      if (typeof data.nonce === "string") end(data.nonce);
      else progress(data.tried);
    });
    signal.addEventListener("abort", () => end(null));
    worker.postMessage(task);
  });
}

/**
 * @param {Task} task
 * @param {Watch} watch
 * @returns {Promise<string | null>}
 */
async function inSlices(task, { progress, signal }) {
  for (let tried = 0; !signal.aborted; tried += work_pause_tries) {
    const nonce = search(task, tried, work_pause_tries);
    if (nonce !== null) return nonce;
    if (tried % work_slice_tries === 0) progress(tried);
    await pause();
  }
  return null;
}

/** Lets others have their turn. Browsers let a timer of a hidden page wait for a second, but no message. */
function pause() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(null);
    };
    port2.postMessage(null);
  });
}

/**
 * How a worker may be started, in the order in which to try: from its file, which is what a strict policy
 * allows and what most bundlers look for, written like this; else, where the file was left behind, from text,
 * which needs `worker-src blob:` where a page has a policy at all.
 */
const STARTS = [
  () => new Worker(new URL("./proof-worker.js", import.meta.url), { type: "module" }),
  () => {
    const text = `(${work})((${makeSearch})(), ${work_slice_tries});`;
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(url);
    // Its text has been taken by the time it has failed or spoken; the worker goes by itself.
    for (const heard of ["error", "message"]) {
      worker.addEventListener(heard, () => URL.revokeObjectURL(url), { once: true });
    }
    return worker;
  },
];

/** What has not failed yet: it is not asked for twice. */
const usable = new Set(STARTS);
