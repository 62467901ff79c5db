"""Relays twenty datagrams to an echo server through a TURN server with aioice, and counts what comes back.

usage: aioice_echo.py SERVER:PORT PEER:PORT USER PASSWORD
"""

import asyncio
import sys

from aioice import turn


class Inbox(asyncio.DatagramProtocol):
    """Keeps what arrives."""

    def __init__(self):
        self.received = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.received.put_nowait((data, addr))


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


async def main(server, peer, username, password):
    transport, inbox = await turn.create_turn_endpoint(
        Inbox, server_addr=address(server), username=username, password=password
    )
    count = 0
    for number in range(20):
        payload = bytes([number]) * 300
        transport.sendto(payload, address(peer))
        data, source = await asyncio.wait_for(inbox.received.get(), timeout=60)
        assert (data, source) == (payload, address(peer)), "another datagram than was sent"
        count += 1
    print(f"{count} of 20")
    transport.close()


asyncio.run(main(*sys.argv[1:]))
