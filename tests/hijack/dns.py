# SPDX-License-Identifier: BSD-2-Clause
# A name server at 127.0.0.1, by UDP and TCP, for whom each name has the address 10.1.2.3, and none
# of IPv6.
import socket, struct, threading

def answer(q):
    n = 12
    while q[n]:
        n += q[n] + 1
    v4 = struct.unpack(">H", q[n+1:n+3])[0] == 1
    data = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\1\2\3" if v4 else b""
    return q[:2] + b"\x81\x80\0\1\0" + bytes([v4]) + b"\0\0\0\0" + q[12:n+5] + data

def streams(l):
    while True:
        with l.accept()[0] as c, c.makefile("rwb") as f:
            a = answer(f.read(struct.unpack(">H", f.read(2))[0]))
            f.write(struct.pack(">H", len(a)) + a)

here = ("127.0.0.1", 53)
threading.Thread(target=streams, args=(socket.create_server(here),), daemon=True).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(here)
print("ready", flush=True)
while True:
    q, a = s.recvfrom(512)
    s.sendto(answer(q), a)
