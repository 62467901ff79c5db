"""Two people meet through the signaling: one over plain QUIC, one over WebTransport, both with aioquic.

usage: aioquic_meets.py HOST:PORT [wait]

With `wait`, they part when a line comes in.
"""

import asyncio
import sys

from quic_clients import Plain, Session, client


async def main(server, wait=None):
    async with client(Plain, server) as one, client(Session, server) as other:
        for person in (one, other):
            await person.open(server.encode())
            person.say({"t": "hello", "v": 1})
            await person.messages.hear("welcome")
        one.say({"t": "find", "want": {"media": "text"}})
        await one.messages.hear("waiting")
        other.say({"t": "find", "want": {"media": "text"}})
        matched = [await person.messages.hear("matched") for person in (one, other)]
        assert matched[0]["session"] == matched[1]["session"]
        assert {sides["role"] for sides in matched} == {"caller", "callee"}
        if wait:
            print("matched", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
        other.say({"t": "leave"})
        assert (await one.messages.hear("gone"))["why"] == "left"
    print("they met")


asyncio.run(main(*sys.argv[1:]))
