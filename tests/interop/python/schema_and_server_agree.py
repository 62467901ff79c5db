"""Sends messages, good and hostile, and compares what the server says of their form with what the schema
says.

    schema_and_server_agree.py HOST:PORT HOST:PORT

The first is where HTTP is spoken, the second where QUIC is. It prints how many of each kind there were, over
WebSocket, QUIC and WebTransport.
"""

import asyncio
import copy
import json
import sys

from quic_clients import Plain, Session, client
from schema import CLIENT, received, sent
from websockets.asyncio.client import connect

ID = "AAAAAAAAAAAAAAAAAAAAAA"
HELLO = {"t": "hello", "v": 1}
WANT = {"media": "text", "tags": ["a"], "langs": ["en"]}
DESC = {"desc": {"type": "offer", "sdp": "v=0"}}
CAND = {"cand": [{"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "abcd"}]}

# One of every kind, with every member.
GOOD = [
    HELLO
    | {"resume": {"token": ID, "got": {ID: 3}}, "token": "x", "proof": {"seed": "AAAA", "nonce": "17"}},
    {"t": "find", "want": WANT},
    {"t": "open", "size": 2},
    {"t": "join", "room": ID},
    {"t": "seal", "session": ID, "n": 1, "body": "Zm9v-_"},
    {"t": "plain", "session": ID, "n": 1, "body": DESC},
    {"t": "plain", "session": ID, "n": 1, "body": CAND},
    {"t": "plain", "session": ID, "n": 1, "body": {"direct": True}},
    {"t": "plain", "session": ID, "n": 1, "body": {"bye": True}},
    {"t": "report", "session": ID, "why": "minor"},
    {"t": "next", "want": WANT},
    {"t": "leave"},
    {"t": "leave", "session": ID},
    {"t": "cancel"},
]

# Values that belong nowhere, or to another member.
WRONG = [None, True, -1, 1.5, 300, 2**70, "", "A" * 9000, "\u0007", "AAAA"]
WRONG += [[], ["a"] * 2, list("abcdefghi"), {}, {"x": 1}]

# Of the hostile ones so many are one over QUIC.
FEWER = 10

FORM = {"bad-message", "bad-version", "bad-json"}


def places(value, path=()):
    """Every member and entry, and every one within."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, of_key in inner:
        yield (*path, key)
        yield from places(of_key, (*path, key))


def at(message, path):
    for key in path:
        message = message[key]
    return message


def changed():
    """Every message with every member left out, and replaced by every wrong value, and with one too many."""
    for message in GOOD:
        for path in places(message):
            for value in WRONG:
                other = copy.deepcopy(message)
                at(other, path[:-1])[path[-1]] = value
                yield other
            other = copy.deepcopy(message)
            del at(other, path[:-1])[path[-1]]
            yield other
        for path in [(), *(path for path in places(message) if isinstance(at(message, path), dict))]:
            other = copy.deepcopy(message)
            at(other, path)["more"] = 1
            yield other


class WebSocket:
    """Messages as text frames."""

    def __init__(self, server):
        self.connection = connect(f"ws://{server}/signal", subprotocols=["ginnel.1"])

    async def __aenter__(self):
        self.socket = await self.connection.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.connection.__aexit__(*error)

    async def say(self, message):
        await self.socket.send(json.dumps(message))

    async def hear(self):
        return received(json.loads(await self.socket.recv()))


class Quic:
    """Messages behind their lengths, on a stream of QUIC or of a WebTransport session."""

    def __init__(self, protocol, server):
        self.server, self.connection = server, client(protocol, server)

    async def __aenter__(self):
        self.stream = await self.connection.__aenter__()
        await self.stream.open(self.server.encode())
        return self

    async def __aexit__(self, *error):
        await self.connection.__aexit__(*error)

    async def say(self, message):
        self.stream.say_anything(message)

    async def hear(self):
        return await self.stream.messages.next()


class Server:
    """Says what is wrong with the form of messages, on as few connections as its budgets allow."""

    def __init__(self, transport):
        self.transport, self.link, self.left = transport, None, 0

    async def verdict(self, message):
        if message.get("t") == "hello":
            async with self.transport() as link:
                return form(await ask(link, message))
        if self.left == 0:
            await self.part()
            self.link, self.left = await self.transport().__aenter__(), 18
            assert (await ask(self.link, sent(HELLO)))["t"] == "welcome"
        self.left -= 1
        # Not every message has an answer; the two behind it have.
        for one in (message, {"t": "fly"}, sent({"t": "report", "session": ID, "why": "other"})):
            await self.link.say(one)
        answers = []
        while [answer.get("code") for answer in answers[-2:]] != ["bad-message", "bad-session"]:
            answers.append(await self.link.hear())
        return next((form(answer) for answer in answers[:-2] if form(answer)), None)

    async def part(self):
        if self.link:
            await self.link.__aexit__(None, None, None)


async def ask(link, message):
    await link.say(message)
    return await link.hear()


def form(answer):
    return answer["code"] if answer["t"] == "error" and answer["code"] in FORM else None


async def compare(transport, messages):
    server, counts = Server(transport), {True: 0, False: 0}
    for message in messages:
        valid, code = CLIENT.is_valid(message), await server.verdict(message)
        errors = [error.message for error in CLIENT.iter_errors(message)]
        assert valid == (code is None), (message, code, errors)
        counts[valid] += 1
    await server.part()
    print(f"{counts[True]} good, {counts[False]} hostile")


async def main(web_socket, quic):
    for message in GOOD:
        sent(message)
    hostile = list(changed())
    await compare(lambda: WebSocket(web_socket), [*GOOD, *hostile])
    # One code judges what a message says, whatever carried it: some of each kind tell whether it is asked.
    for offset, protocol in enumerate((Plain, Session)):
        await compare(lambda: Quic(protocol, quic), [*GOOD, *hostile[offset::FEWER]])


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 300))
