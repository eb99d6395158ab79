#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""frames.py packet INTERFACE | socket FD KIND [vnet]

Frames that nobody should send, the same ones each time: on an interface of the host, or into a
socket that is the other end of a rump kernel's link.  Of each: random bytes; real headers
whose lengths, offsets and types lie; with vnet, behind a header that lies; empty ones, and
ones that are too long.  KIND stream: with lengths in front, the last of which is no length.
"""
import random
import socket
import struct
import sys

FRAMES = 2000
rnd = random.Random(1)


def ipv4():
    """A TCP, UDP or ICMP packet to us, in which something is not as it says."""
    options = rnd.randbytes(4 * rnd.choice((0, 0, 1, 10)))
    data = rnd.randbytes(rnd.choice((0, 1, 7, 20, 100, 1000)))
    ihl = rnd.choice((5 + len(options) // 4, 5 + len(options) // 4, 0, 4, 15))
    length = rnd.choice((20 + len(options) + len(data),) * 3 + (0, 19, 65535))
    head = struct.pack('!BBHHHBBH4s4s', 0x40 | ihl, 0, length, rnd.getrandbits(16),
                       rnd.choice((0, 0x2000, 0x4000, 0x3fff, 0x1fff)), 64,
                       rnd.choice((1, 2, 6, 17, 47, 50, 132)), 0,
                       bytes((10, 8, 0, 1)), bytes((10, 8, 0, 2))) + options
    total = sum(struct.unpack(f'!{len(head) // 2}H', head))
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    return head[:10] + struct.pack('!H', ~total & 0xffff) + head[12:] + data


def ipv6():
    return struct.pack('!IHBB', 6 << 28, rnd.choice((0, 8, 40, 65535)), rnd.choice((0, 6, 17, 43, 44, 58, 60)),
                       255) + rnd.randbytes(32) + rnd.randbytes(rnd.choice((0, 1, 8, 100)))


def frame():
    kind = rnd.randrange(6)
    if kind == 0:
        return rnd.randbytes(rnd.choice((14, 15, 60, 1514)))
    dst = rnd.choice((b'\xff' * 6, b'\x02\0\0\0\0\x42'))
    src = b'\x02\0\0\0\0\x01'
    if kind == 1:    # ARP, of any lengths
        body = struct.pack('!H', 0x0806) + rnd.randbytes(rnd.randrange(40))
    elif kind == 2:
        body = struct.pack('!H', 0x86dd) + ipv6()
    elif kind == 3:    # VLAN in VLAN
        body = struct.pack('!HHHH', 0x8100, 5, 0x88a8, 6) + rnd.randbytes(rnd.randrange(30))
    else:
        body = struct.pack('!H', 0x0800) + ipv4()
    return dst + src + body


def vnet():
    """flags, gso_type, hdr_len, gso_size, csum_start, csum_offset"""
    u16 = (0, 1, 14, 34, 54, 1448, 65535)
    return struct.pack('<BBHHHH', rnd.choice((0, 1, 1, 2, 4, 255)), rnd.choice((0, 1, 3, 4, 5, 0x81, 255)),
                       *(rnd.choice(u16) for _ in range(4)))


def packet(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((name, 0))
    refused = 0
    for _ in range(FRAMES):
        try:
            s.send(frame())
        except OSError:    # what the host itself does not let through
            refused += 1
    if refused > FRAMES / 2:
        sys.exit(f'{refused} of {FRAMES} frames were refused')


def into(fd, kind, with_vnet):
    s = socket.socket(fileno=fd)
    s.settimeout(30)
    for i in range(FRAMES):
        f = frame() if i % 20 else rnd.choice((b'', b'x', rnd.randbytes(13), bytes(65000)))
        if with_vnet:
            f = (vnet() + f)[:rnd.choice((100000,) * 20 + (0, 1, 9, 10, 11))]
        if kind == 'stream':
            if len(f) < 14:
                continue
            f = struct.pack('!I', len(f)) + f
            cut = rnd.randrange(len(f))
            s.sendall(f[:cut])
            f = f[cut:]
        s.send(f) if kind != 'stream' else s.sendall(f)
    if kind == 'stream':
        s.sendall(rnd.choice((b'\0\0\0\0', b'\xff\xff\xff\xff', b'\0\1\0\x50')))


if sys.argv[1] == 'packet':
    packet(sys.argv[2])
else:
    into(int(sys.argv[2]), sys.argv[3], 'vnet' in sys.argv[4:])
