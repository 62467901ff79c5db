// A client of the signaling protocol on the package `ws`, written from docs/protocol.md alone: meets a
// stranger, sends what it is told to and expects it back, and loses its connection on the way.
//
//   node websocket_talk.js URL COUNT
import WebSocket from "ws";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const sent = [];
let socket, token, session;
let received = 0;

function connect() {
  socket = new WebSocket(url, "ginnel.1");
  socket.on("open", () => {
    const resume = token && { token, got: session ? { [session]: received } : {} };
    say({ t: "hello", v: 1, ...(resume ? { resume } : {}) });
  });
  socket.on("message", (data) => hear(JSON.parse(data.toString())));
  socket.on("error", fail);
}

function say(message) {
  socket.send(JSON.stringify(message));
}

function send() {
  const n = sent.push(`p${sent.length + 1}`);
  say({ t: "seal", session, n, body: sent[n - 1] });
}

function hear(message) {
  switch (message.t) {
    case "welcome":
      if (token && !message.got) fail("nobody came back");
      token = message.resume;
      if (!message.got) say({ t: "find", want: { media: "text", tags: ["interop"] } });
      for (let n = (message.got?.[session] ?? sent.length) + 1; n <= sent.length; n += 1) {
        say({ t: "seal", session, n, body: sent[n - 1] });
      }
      break;
    case "matched":
      session = message.session;
      console.log(message.ice.flatMap(({ urls }) => urls).join(" "));
      send();
      break;
    case "seal":
      received += 1;
      if (message.n !== received || message.body !== sent[received - 1]) fail(JSON.stringify(message));
      if (received === count) {
        say({ t: "leave" });
        socket.close();
        console.log(`${received} of ${count}`);
        return;
      }
      send();
      if (received % 7 === 0) {
        socket.removeAllListeners();
        socket.on("error", () => {});
        socket.terminate();
        connect();
      }
      break;
    case "waiting":
      break;
    default:
      fail(JSON.stringify(message));
  }
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

connect();
