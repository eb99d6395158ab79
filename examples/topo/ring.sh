#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# ring.sh [N]: N kernels (50) in a ring, each a router to the next, with static routes:
#
#	sh ring.sh | rump topo run -

n=${1:-50}

echo "# $n kernels in a ring"
i=0
while [ $i -lt $n ]; do
	next=$(((i + 1) % n))
	echo "kernel k$i mem=32m"
	echo "sysctl k$i net.ipv4.ip_forward=1"
	i=$((i + 1))
done
# wire i is 10.1.i.0/24, between k(i) with .1 and its neighbour to the right with .2
i=0
while [ $i -lt $n ]; do
	next=$(((i + 1) % n))
	echo "link w$i k$i:right k$next:left"
	echo "addr k$i:right 10.1.$i.1/24"
	echo "addr k$next:left 10.1.$i.2/24"
	i=$((i + 1))
done
# everything goes round to the right
i=0
while [ $i -lt $n ]; do
	echo "route k$i default via 10.1.$i.2"
	i=$((i + 1))
done
echo "run k0: ping -c 2 -t $n 10.1.$((n / 2)).1"
echo "run k0: ping -c 1 -t $n 10.1.$((n - 2)).1"
echo "fail k0: ping -c 1 -W 1 -t $((n / 2 - 1)) 10.1.$((n / 2)).1"
