// Two peers of node-datachannel (libdatachannel on libjuice) that may only use relayed candidates open a data
// channel through a TURN server, and twenty messages come back.
//
// usage: node relay_only_pair.mjs SERVER PORT USER PASSWORD

import nodeDataChannel from "node-datachannel";

const [hostname, port, username, password] = process.argv.slice(2);
const iceServers = [{ hostname, port: Number(port), username, password, relayType: "TurnUdp" }];
const configuration = { iceServers, iceTransportPolicy: "relay" };

const [one, other] = ["one", "other"].map((name) => new nodeDataChannel.PeerConnection(name, configuration));
for (const [from, to] of [[one, other], [other, one]]) {
    from.onLocalDescription((sdp, type) => to.setRemoteDescription(sdp, type));
    from.onLocalCandidate((candidate, mid) => to.addRemoteCandidate(candidate, mid));
}

other.onDataChannel((channel) => {
    channel.onMessage((message) => channel.sendMessage(message));
});

const channel = one.createDataChannel("echo");
const count = await new Promise((resolve) => {
    let received = 0;
    channel.onOpen(() => channel.sendMessage("message 0"));
    channel.onMessage((message) => {
        if (message !== `message ${received}`) throw new Error(`another message than was sent: ${message}`);
        received += 1;
        if (received === 20) resolve(received);
        else channel.sendMessage(`message ${received}`);
    });
});

const pair = one.getSelectedCandidatePair();
console.log(`${count} of 20, ${pair.local.type} to ${pair.remote.type}`);
one.close();
other.close();
nodeDataChannel.cleanup();
