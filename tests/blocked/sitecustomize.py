"""Put on PYTHONPATH by tests of the command line: any attempt to open a connection ends the program."""

import os
import socket


def _refuse(*arguments: object) -> None:
    os.write(2, f"CONNECTION TRIED: {arguments[-1]}\n".encode())
    os._exit(99)


socket.socket.connect = _refuse  # type: ignore[method-assign,assignment]
socket.socket.connect_ex = _refuse  # type: ignore[method-assign,assignment]
socket.getaddrinfo = _refuse  # type: ignore[assignment]
