"""Put on PYTHONPATH by tests: a program that tries to reach another machine ends, with what it tried.

It watches what Python itself tells of its sockets, so that no way around a method is missed; what C libraries
do on their own `benchmarks/network_silence.py` watches.
"""

import os
import sys

HERE = {"127.0.0.1", "::1", "localhost", "", None}
PLACES = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0}
PLACES |= {"socket.gethostbyname": 0, "socket.gethostbyaddr": 0}


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event not in PLACES:
        return
    address = arguments[PLACES[event]]
    host = address[0] if isinstance(address, tuple) else address
    if event.endswith(("connect", "sendto", "sendmsg")) and not isinstance(address, tuple):
        return  # of this machine, by a path
    if isinstance(host, bytes):
        host = host.decode()
    if host not in HERE:
        os.write(2, f"CONNECTION TRIED: {event} {address}\n".encode())
        os._exit(99)


sys.addaudithook(_refuse)
