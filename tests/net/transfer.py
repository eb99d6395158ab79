#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""transfer.py receive ADDRESS PORT | send ADDRESS PORT MEGABYTES

Random bytes by TCP; the receiver answers with their checksum, which must be the sender's.

It greets first: passt before April 2023 counts the SYN that it answered as unacknowledged until
data came from the other side, and after some 20 s ends a connection that has only sent.
"""
import hashlib
import os
import socket
import sys

GREETING = b'!'


def receive(address, port):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family)
    print('ready', flush=True)
    s, _ = listener.accept()
    s.sendall(GREETING)
    h = hashlib.sha256()
    while data := s.recv(1 << 18):
        h.update(data)
    s.sendall(h.hexdigest().encode())


def send(address, port, megabytes):
    s = socket.create_connection((address, port), timeout=60)
    if s.recv(1) != GREETING:
        sys.exit('not greeted')
    h = hashlib.sha256()
    block = os.urandom(1 << 20)
    for i in range(megabytes):
        data = block[i:] + block[:i]
        h.update(data)
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    got = s.makefile().read(len(h.hexdigest()))    # passt keeps the end of a half-closed one back
    if got != h.hexdigest():
        sys.exit(f'sent {h.hexdigest()}, arrived {got}')
    print(f'{megabytes} MB {got}')


if sys.argv[1] == 'receive':
    receive(sys.argv[2], int(sys.argv[3]))
else:
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
