# SPDX-License-Identifier: BSD-2-Clause
"""plot.py OUT.svg TITLE FILE.json...: throughput over time, from iperf3's reports."""
import json
import os
import sys
from xml.sax.saxutils import escape

W, H, LEFT, TOP, RIGHT, BOTTOM = 720, 400, 60, 40, 110, 50
COLOURS = ["#c0392b", "#2471a3", "#1e8449", "#7d3c98"]


def read(path):
    with open(path) as f:
        report = json.load(f)
    points = [(i["sum"]["end"], i["sum"]["bits_per_second"] / 1e6) for i in report["intervals"]]
    mean = report["end"]["sum_received"]["bits_per_second"] / 1e6
    return os.path.splitext(os.path.basename(path))[0], points, mean


def nice(largest):
    """A round number that is not smaller."""
    step = 10
    while step * 5 < largest:
        step *= 2
    return step, step * -(-int(largest + 1) // step)


series = [read(p) for p in sys.argv[3:]]
xmax = max(x for _, points, _ in series for x, _ in points)
step, ymax = nice(max(y for _, points, _ in series for _, y in points))


def sx(x):
    return LEFT + x / xmax * (W - LEFT - RIGHT)


def sy(y):
    return H - BOTTOM - y / ymax * (H - TOP - BOTTOM)


out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{W}" height="{H}" '
       'font-family="sans-serif" font-size="13">',
       f'<rect width="{W}" height="{H}" fill="white"/>',
       f'<text x="{LEFT}" y="24" font-size="16">{escape(sys.argv[2])}</text>']
for y in range(0, ymax + 1, step):
    out.append(f'<line x1="{LEFT}" x2="{W - RIGHT}" y1="{sy(y):.1f}" y2="{sy(y):.1f}" stroke="#ddd"/>')
    out.append(f'<text x="{LEFT - 8}" y="{sy(y) + 4:.1f}" text-anchor="end">{y}</text>')
for x in range(0, int(xmax) + 1):
    out.append(f'<text x="{sx(x):.1f}" y="{H - BOTTOM + 18}" text-anchor="middle">{x}</text>')
out.append(f'<text x="{(LEFT + W - RIGHT) / 2}" y="{H - 12}" text-anchor="middle">seconds</text>')
out.append(f'<text transform="translate(16 {(TOP + H - BOTTOM) / 2}) rotate(-90)" '
           'text-anchor="middle">Mbit/s</text>')
for n, (name, points, mean) in enumerate(series):
    colour = COLOURS[n % len(COLOURS)]
    line = " ".join(f"{sx(x):.1f},{sy(y):.1f}" for x, y in points)
    out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    out.append(f'<text x="{W - RIGHT + 8}" y="{TOP + 16 + 36 * n}" fill="{colour}">{name}</text>')
    out.append(f'<text x="{W - RIGHT + 8}" y="{TOP + 32 + 36 * n}" fill="{colour}">{mean:.1f} Mbit/s</text>')
    print(f"{name}: {mean:.1f} Mbit/s")
out.append("</svg>")
with open(sys.argv[1], "w") as f:
    f.write("\n".join(out) + "\n")
