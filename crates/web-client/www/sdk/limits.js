/**
 * Every bound of the SDK, named with its unit last. What the server allows (`welcome.limits`) comes on top.
 * @module
 */

/** A connection that has not been greeted by then is closed and tried again. */
export const greeting_ms_max = 10_000;
/** What is asked over TCP for a WebTransport session; a firewall may swallow it, and QUIC get through. */
export const transports_ms_max = 3_000;
/** Waiting time before connecting again: doubled from the first to the last, with a random part. */
export const reconnect_ms_min = 500;
export const reconnect_ms_max = 15_000;
/** A frame of `ginnel.1`, both ways. */
export const frame_bytes_max = 32_768;

/** Found candidates wait this long for company; the first ones of a gathering only a moment. */
export const batch_first_ms = 20;
export const batch_ms = 250;
/** Candidates for one description, sent and accepted; the server takes no more either. */
export const description_candidates_max = 20;
export const candidate_chars_max = 512;
/** Below are services; browsers, NATs and the relay give out higher ports. */
export const candidate_port_min = 1_024;

/** A session description. Browsers need about 7,000 characters for audio, video and data. */
export const sdp_chars_max = 24_000;
export const sdp_lines_max = 600;
export const sdp_line_chars_max = 1_024;
export const sdp_sections_max = 16;
/** Names of streams, tracks and ends in one session, both ways; a call has about a dozen. */
export const aliases_max = 256;

/** Messages of the partner that may wait for the one being worked on. */
export const inbox_messages_max = 64;
/** From `matched` to the first connection, relay allocation and DTLS included. */
export const connect_ms_max = 25_000;
/** Where both may be seen, a direct way is looked for so long before the relay is asked too. */
export const direct_ms_max = 6_000;
/** A broken connection may heal by itself for so long before ICE is restarted, and so long after that. */
export const heal_ms_max = 3_000;
export const restart_ms_max = 15_000;

/** One text message, and how much may wait in the data channel before sending is refused. */
export const text_chars_max = 2_000;
export const text_buffered_bytes_max = 262_144;
/** Messages sent on the data channel at once, and how fast that budget grows back. */
export const text_burst_max = 30;
export const text_per_s_max = 10;
/** Of a partner's, so many at once: what comes together after the longest interruption is among them. */
export const heard_burst_max = 300;
/** Devices that could not be told are told again after this time. */
export const devices_retry_ms = 1_000;

/** What a session's identifier and an invite link's secret have. */
export const session_bytes = 16;
export const link_secret_bytes = 16;
/** Sealed frames kept for a connection that has to be made up for; the server holds no more either. */
export const kept_frames_max = 64;
/** From the first connection on, the partner has so long to show that it holds this session's keys. */
export const proof_ms_max = 5_000;
/** A browser's figures of a connection are at most so old. */
export const figures_ms_max = 1_000;
/**
 * Once both have agreed to go direct, it is looked so often, as far apart as that, whether they do; after the
 * first so many times a side that does not asks for it again.
 */
export const path_asks_max = 30;
export const path_asks_again = 5;

/** The most work that is done for a server, in bits: it asks for 20 at most. */
export const work_bits_max = 22;
/** A worker that has said nothing by then is none: its file does not come, or what came is something else. */
export const worker_start_ms_max = 3_000;
/** After so long the server takes no proof any more. */
export const work_ms_max = 60_000;
/** Nonces tried between two reports of how far it is; and between two pauses where there is no worker. */
export const work_slice_tries = 16_384;
export const work_pause_tries = 2_048;
