"""Opens sockets on loopback as systemd does and starts a program with them, again when it has ended with 0.

usage: activate.py NAME=tcp:PORT|NAME=udp:PORT... -- PROGRAM ARGUMENT...

It prints "started PID" each time. The program dies with it.
"""

import ctypes
import os
import signal
import socket
import sys

FIRST = 3  # Behind standard error, sd_listen_fds(3).
PR_SET_PDEATHSIG = 1


def opened(what):
    transport, port = what.split(":")
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    one = socket.socket(socket.AF_INET, kind)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", int(port)))
    if transport == "tcp":
        one.listen(64)
    return one


def become(program, names, sockets):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Copies with numbers out of the way of those that they are to have.
    for number, one in enumerate(sockets):
        os.dup2(one.fileno(), 100 + number, inheritable=False)
    for number in range(len(sockets)):
        os.dup2(100 + number, FIRST + number, inheritable=True)
    told = {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(sockets)),
        "LISTEN_FDNAMES": ":".join(names),
    }
    os.execvpe(program[0], program, {**os.environ, **told})


def main():
    here = sys.argv.index("--")
    named = [argument.split("=") for argument in sys.argv[1:here]]
    program = sys.argv[here + 1 :]
    sockets = [opened(what) for _, what in named]
    status = 0
    while status == 0:
        child = os.fork()
        if child == 0:
            become(program, [name for name, _ in named], sockets)
        print(f"started {child}", flush=True)
        status = os.waitpid(child, 0)[1]
    sys.exit(1)


main()
