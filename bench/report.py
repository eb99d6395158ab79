#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
report.py plot RESULTS DIR	pictures of what `make bench` has written:
				DIR/ratios.svg	rows that have a reference, as times as good as that
				DIR/figures.svg	the others, as times as good as the target
				DIR/apps.svg	applications: native, embedded, remote
report.py compare RESULTS OTHER DIR
				the figures of another system beside ours, row by row,
				and DIR/compare.svg

OTHER is such a file of another system.  Of a row, "name" and "ours" are needed; it is left
out if its "unit" is given and differs from ours.
"""
import html
import json
import math
import sys

GOOD, BAD, NEUTRAL, OTHER = '#2a7f3f', '#c0392b', '#4a6fa5', '#d08a1d'
ROW, LEFT, WIDTH, TOP = 22, 230, 560, 64


def die(text):
    sys.exit('report.py: ' + text)


def load(path):
    try:
        with open(path) as f:
            data = json.load(f)
        rows = {row['name']: row for row in data['rows']}
        return data.get('machine', {}), {n: r for n, r in rows.items() if r['ours']}
    except (OSError, ValueError) as error:
        die(f'{path}: {error}')
    except (KeyError, TypeError):
        die(f'{path}: wanted is {{"machine": ..., "rows": [{{"name": ..., "ours": ...}}, ...]}}')


def machine_text(machine):
    return '{} cores of {}, {} MB, Linux {}, {}'.format(*(
        machine.get(key, '?') for key in ('cores', 'cpu', 'memory_mb', 'kernel', 'date')))


def figure(value):
    return f'{value:,.0f}' if value >= 10000 else f'{value:.4g}'


def times(row, value, than):
    """How many times as good."""
    return value / than if row['better'] == 'higher' else than / value


class Chart:
    """Rows of marks on a logarithmic axis."""

    def __init__(self, title, subtitle, axis, rows, low, high):
        self.low, self.high = min(low * 0.9, 0.5), max(high * 1.1, 2)
        self.height = TOP + ROW * rows + 50
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 150}" height="{self.height}" '
            'font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>']
        self.text(10, 22, title, size=16, weight='bold')
        self.text(10, 42, subtitle, fill='#555')
        self.y = TOP
        self.grid(axis)

    def x(self, value):
        span = math.log(self.high / self.low)
        return LEFT + WIDTH * math.log(min(max(value, self.low), self.high) / self.low) / span

    def text(self, x, y, text, anchor='start', fill='#222', size=12, weight='normal'):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
                          f'font-size="{size}" font-weight="{weight}">{html.escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour, width=1.0, dash=''):
        dash = f' stroke-dasharray="{dash}"' if dash else ''
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}" stroke-width="{width}"{dash}/>')

    def grid(self, axis):
        bottom = self.height - 40
        for exponent in range(-4, 6):
            for digit in (1, 2, 5):
                value = digit * 10 ** exponent
                if self.low <= value <= self.high:
                    self.line(self.x(value), TOP - 8, self.x(value), bottom, '#333' if value == 1 else '#ddd')
                    self.text(self.x(value), bottom + 15, f'{value:g}', 'middle', '#555')
        self.text(LEFT + WIDTH / 2, bottom + 32, axis, 'middle', '#555')

    def row(self, name, note):
        self.y += ROW
        self.text(LEFT - 10, self.y - 6, name, 'end')
        self.text(LEFT + WIDTH + 10, self.y - 6, note, fill='#555')

    def mark(self, value, low, high, colour, up=0):
        y = self.y - 10 - up
        self.line(self.x(low), y, self.x(high), y, colour, 3)
        self.parts.append(f'<circle cx="{self.x(value):.1f}" cy="{y}" r="4.5" fill="{colour}"/>')

    def target(self, value):
        self.line(self.x(value), self.y - 18, self.x(value), self.y - 2, '#111', 2)

    def bar(self, value, colour, index, count):
        height = (ROW - 4) / count
        y = self.y - ROW + 4 + index * height
        x = sorted((self.x(1), self.x(value)))
        self.parts.append(f'<rect x="{x[0]:.1f}" y="{y:.1f}" width="{max(x[1] - x[0], 1):.1f}" '
                          f'height="{height - 1:.1f}" fill="{colour}"/>')

    def write(self, path):
        with open(path, 'w') as f:
            f.write('\n'.join(self.parts + ['</svg>']) + '\n')
        print(path)


def verdict(row, value):
    if not row.get('target'):
        return NEUTRAL
    met = value >= row['target'] if row['better'] == 'higher' else value <= row['target']
    return GOOD if met else BAD


def plot_against(rows, base, path, title, subtitle, axis):
    """base(row): what 1 on the axis is.  A line is from the worst to the best of ours."""
    if not rows:
        return
    marks = [(row, sorted(times(row, v, base(row)) for v in row.get('values') or [row['ours']])) for row in rows]
    chart = Chart(title, subtitle, axis, len(rows), min(m[0] for _, m in marks), max(m[-1] for _, m in marks))
    for row, m in marks:
        chart.row(row['name'], f"{figure(row['ours'])} {row['unit']}")
        value = row['ratio'] if row.get('ratio') else row['ours']
        if row.get('target'):
            than = 1 if row.get('ratio') else base(row)
            chart.target(times(row, row['target'], than))
        chart.mark(times(row, row['ours'], base(row)), m[0], m[-1], verdict(row, value))
    chart.write(path)


def plot(results, directory):
    machine, rows = load(results)
    note = 'dot: median; line: all runs; bar: target; green: met, red: missed, blue: none'
    plot_against([r for r in rows.values() if r.get('ratio')], lambda r: r['reference'],
                 directory + '/ratios.svg', 'Beside the host, or what docs/bench.tsv names',
                 machine_text(machine) + ' - ' + note, 'times as good as the reference')
    plot_against([r for r in rows.values() if not r.get('ratio') and r.get('target')], lambda r: r['target'],
                 directory + '/figures.svg', 'Figures that have no reference', machine_text(machine) + ' - ' + note,
                 'times as good as the target')
    apps = [n for n in rows if n.startswith('app_') and not n.endswith('_remote') and rows[n].get('ratio')]
    if apps:
        ratio = {n: times(rows[n], rows[n]['ratio'], 1) for n in rows if n.startswith('app_') and rows[n].get('ratio')}
        chart = Chart('Applications: native is 1', f'{machine_text(machine)} - blue: embedded, orange: remote',
                      'times as good as native', len(apps), min(ratio.values()), max(ratio.values()))
        for name in apps:
            values = [ratio[name], ratio.get(name + '_remote')]
            chart.row(name, ', '.join(f'{v:.2f}' for v in values if v))
            for i, (value, colour) in enumerate(zip(values, (NEUTRAL, OTHER))):
                if value:
                    chart.bar(value, colour, i, 2)
        chart.write(directory + '/apps.svg')


def compare(results, other, directory):
    if not other:
        die('compare: which file?  make bench-compare FILE=RESULTS.json')
    ours, theirs = load(results), load(other)
    both = [n for n in ours[1] if n in theirs[1]
            and theirs[1][n].get('unit', ours[1][n]['unit']) == ours[1][n]['unit']]
    print(f'ours:   {machine_text(ours[0])}\ntheirs: {machine_text(theirs[0])}\n')
    if not both:
        die(f'{other}: no row of ours is in it, with the same unit')
    if ours[0] != theirs[0]:
        print('The two were measured on different machines or days: what the host does counts, too.\n')
    print(f'{"row":26} {"unit":14} {"ours":>9} {"theirs":>9} {"times":>7}   (above 1: ours is better)')
    chart = Chart(f'Beside {other}', machine_text(ours[0]) + ' / ' + machine_text(theirs[0]), 'times as good as theirs',
                  len(both), *(f(times(ours[1][n], ours[1][n]['ours'], theirs[1][n]['ours']) for n in both)
                               for f in (min, max)))
    for name in both:
        row, value = ours[1][name], theirs[1][name]['ours']
        result = times(row, row['ours'], value)
        print(f"{name:26} {row['unit']:14} {figure(row['ours']):>9} {figure(value):>9} {result:7.3g}")
        chart.row(name, f'{result:.3g}')
        worst_best = sorted(times(row, v, value) for v in row.get('values') or [row['ours']])
        chart.mark(result, worst_best[0], worst_best[-1], GOOD if result >= 1 else BAD)
    missing = [n for n in ours[1] if n not in both]
    if missing:
        print('\nonly ours:', ' '.join(missing))
    chart.write(directory + '/compare.svg')


def main():
    if len(sys.argv) == 4 and sys.argv[1] == 'plot':
        plot(*sys.argv[2:])
    elif len(sys.argv) == 5 and sys.argv[1] == 'compare':
        compare(*sys.argv[2:])
    else:
        sys.exit(__doc__)


main()
