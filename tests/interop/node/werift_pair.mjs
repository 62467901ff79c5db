// Two peers of werift, WebRTC written in TypeScript, that may only use relayed candidates open a data channel
// through a TURN server, and twenty messages come back.
//
// usage: node werift_pair.mjs SERVER PORT USER PASSWORD udp|tcp

import { RTCPeerConnection } from "werift";

const [host, port, username, credential, transport] = process.argv.slice(2);
const iceServers = [{ urls: `turn:${host}:${port}?transport=${transport}`, username, credential }];
const configuration = { iceServers, iceTransportPolicy: "relay" };

const [one, other] = [0, 1].map(() => new RTCPeerConnection(configuration));
for (const [from, to] of [[one, other], [other, one]]) {
    from.onIceCandidate.subscribe((candidate) => candidate && to.addIceCandidate(candidate.toJSON()));
}
other.onDataChannel.subscribe((channel) => {
    channel.onMessage.subscribe((message) => channel.send(message));
});

const channel = one.createDataChannel("echo");
const count = new Promise((resolve) => {
    let received = 0;
    const say = () => channel.send(Buffer.from(`message ${received}`));
    channel.stateChanged.subscribe((state) => state === "open" && say());
    channel.onMessage.subscribe((message) => {
        if (message.toString() !== `message ${received}`) throw new Error("another message than was sent");
        received += 1;
        if (received === 20) resolve(received);
        else say();
    });
});

await one.setLocalDescription(await one.createOffer());
await other.setRemoteDescription(one.localDescription);
await other.setLocalDescription(await other.createAnswer());
await one.setRemoteDescription(other.localDescription);

const types = () => {
    const { localCandidate, remoteCandidate } = one.iceTransports[0].connection.nominated;
    return `${localCandidate.type} to ${remoteCandidate.type}`;
};
console.log(`${await count} of 20, ${types()}`);
await Promise.all([one.close(), other.close()]);
process.exit(0);
