# SPDX-License-Identifier: BSD-2-Clause
"""mptcp.py receive ADDRESS | send ADDRESS BYTES: a transfer by MPTCP, with a checksum."""
import hashlib
import socket
import sys
import time

IPPROTO_MPTCP = 262


def receive(address):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 5000))
    listener.listen(1)
    conn, _ = listener.accept()
    data = hashlib.sha256()
    size, start = 0, time.monotonic()
    while piece := conn.recv(65536):
        data.update(piece)
        size += len(piece)
    seconds = time.monotonic() - start
    conn.sendall(data.digest())
    print(f"{size} bytes in {seconds:.1f} s: {size * 8 / seconds / 1e6:.1f} Mbit/s")


def send(address, size):
    for _ in range(100):
        conn = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
        if conn.connect_ex((address, 5000)) == 0:
            break
        conn.close()
        time.sleep(0.05)
    data = bytes(i * 7 & 255 for i in range(size))
    conn.sendall(data)
    conn.shutdown(socket.SHUT_WR)
    if conn.recv(32, socket.MSG_WAITALL) != hashlib.sha256(data).digest():
        sys.exit("the other side has received something else")


if sys.argv[1] == "receive":
    receive(sys.argv[2])
else:
    send(sys.argv[2], int(sys.argv[3]))
