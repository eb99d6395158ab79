# SPDX-License-Identifier: BSD-2-Clause
# A name server at 127.0.0.1 for whom each name has the address 10.1.2.3, and none of IPv6.
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    q, a = s.recvfrom(512)
    n = 12
    while q[n]:
        n += q[n] + 1
    v4 = struct.unpack(">H", q[n+1:n+3])[0] == 1
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\1\2\3" if v4 else b""
    s.sendto(q[:2] + b"\x81\x80\0\1\0" + bytes([v4]) + b"\0\0\0\0" + q[12:n+5] + answer, a)
