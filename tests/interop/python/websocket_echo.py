"""A client of the signaling protocol on the package `websockets`, written from docs/protocol.md alone: meets
a stranger, sends back what it gets, and loses its connection on the way.

    websocket_echo.py URL
"""

import asyncio
import json
import sys

from schema import received, sent
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


class Echo:
    def __init__(self, url):
        self.url, self.token, self.session, self.bodies = url, None, None, []

    async def run(self):
        while not await self.talk():
            pass
        print(f"{len(self.bodies)} sent back")

    async def talk(self):
        """One connection; true once the partner has left."""
        async with connect(self.url, subprotocols=["ginnel.1"]) as socket:
            hello = {"t": "hello", "v": 1}
            if self.token:
                got = {self.session: len(self.bodies)} if self.session else {}
                hello["resume"] = {"token": self.token, "got": got}
            await self.say(socket, hello)
            try:
                async for text in socket:
                    if await self.hear(socket, received(json.loads(text))):
                        return True
            except ConnectionClosed:
                pass
            return False

    async def hear(self, socket, message):
        match message["t"]:
            case "welcome":
                assert not self.token or "got" in message, "nobody came back"
                self.token = message["resume"]
                if "got" not in message:
                    await self.say(socket, {"t": "find", "want": {"media": "text", "tags": ["interop"]}})
                elif self.session in message["got"]:
                    for n in range(message["got"][self.session] + 1, len(self.bodies) + 1):
                        await self.send(socket, n)
            case "matched":
                self.session = message["session"]
            case "seal":
                self.bodies.append(message["body"])
                assert message["n"] == len(self.bodies), message
                if len(self.bodies) % 5 == 0:
                    # As when a network goes away: no goodbye, and the answer waits for the next connection.
                    socket.transport.abort()
                else:
                    await self.send(socket, len(self.bodies))
            case "gone":
                return True
            case "waiting":
                pass
            case _:
                raise AssertionError(message)
        return False

    async def send(self, socket, n):
        await self.say(socket, {"t": "seal", "session": self.session, "n": n, "body": self.bodies[n - 1]})

    async def say(self, socket, message):
        await socket.send(json.dumps(sent(message)))


asyncio.run(asyncio.wait_for(Echo(sys.argv[1]).run(), 240))
