"""Small pictures for model cards, as SVG without any library."""

from html import escape
from pathlib import Path

WIDE, HIGH, LEFT, BELOW = 480, 300, 56, 40
COLOURS = ("#1f6fb4", "#d1662b", "#3a8f4d", "#8a5cb0")


def frame(title, x_name, y_name, x, y, body):
    """Axes with five ticks each over the ranges `x` and `y`."""
    right, top = WIDE - 12, 28
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDE}" height="{HIGH}" fill="white"/>',
           f'<text x="{WIDE / 2}" y="16" text-anchor="middle" font-size="13">{escape(title)}</text>',
           f'<text x="{(LEFT + right) / 2}" y="{HIGH - 6}" text-anchor="middle">{escape(x_name)}</text>',
           f'<text transform="translate(12 {(top + HIGH - BELOW) / 2}) rotate(-90)" text-anchor="middle">{escape(y_name)}</text>']
    for i in range(5):
        at_x, at_y = LEFT + (right - LEFT) * i / 4, HIGH - BELOW - (HIGH - BELOW - top) * i / 4
        out.append(f'<text x="{at_x:.1f}" y="{HIGH - BELOW + 14}" text-anchor="middle">{x[0] + (x[1] - x[0]) * i / 4:.4g}</text>')
        out.append(f'<text x="{LEFT - 4}" y="{at_y + 4:.1f}" text-anchor="end">{y[0] + (y[1] - y[0]) * i / 4:.4g}</text>')
        out.append(f'<path d="M{LEFT} {at_y:.1f}H{right}" stroke="#ddd"/>')
    return "\n".join(out + body + ["</svg>"]) + "\n"


def place(x, y, at_x, at_y):
    right, top = WIDE - 12, 28
    return (LEFT + (right - LEFT) * (at_x - x[0]) / (x[1] - x[0] or 1),
            HIGH - BELOW - (HIGH - BELOW - top) * (at_y - y[0]) / (y[1] - y[0] or 1))


def curves(path, title, x_name, y_name, lines):
    """`lines`: name → list of (x, y). A training curve."""
    points = [p for line in lines.values() for p in line]
    x = (min(p[0] for p in points), max(p[0] for p in points))
    y = (min(p[1] for p in points), max(p[1] for p in points))
    body = []
    for i, (name, line) in enumerate(lines.items()):
        d = " ".join("{:.1f},{:.1f}".format(*place(x, y, *p)) for p in line)
        body.append(f'<polyline points="{d}" fill="none" stroke="{COLOURS[i % 4]}" stroke-width="1.5"/>')
        body.append(f'<text x="{WIDE - 16}" y="{42 + 14 * i}" text-anchor="end" fill="{COLOURS[i % 4]}">{escape(name)}</text>')
    Path(path).write_text(frame(title, x_name, y_name, x, y, body))


def reliability(path, title, confidence, right, bins=10):
    """How often answers of each confidence are right; the width of a bar is the share of such answers."""
    body, one = [], (0.0, 1.0)
    for b in range(bins):
        inside = [r for c, r in zip(confidence, right) if b <= min(c * bins, bins - 1e-9) < b + 1]
        if inside:
            x0, y0 = place(one, one, b / bins, sum(inside) / len(inside))
            x1, y1 = place(one, one, (b + 1) / bins, 0)
            body.append(f'<rect x="{x0 + 1:.1f}" y="{y0:.1f}" width="{x1 - x0 - 2:.1f}" height="{y1 - y0:.1f}" '
                        f'fill="{COLOURS[0]}" opacity="{0.25 + 0.75 * min(1, 3 * len(inside) / len(right)):.2f}"/>')
            body.append(f'<text x="{(x0 + x1) / 2:.1f}" y="{y0 - 3:.1f}" text-anchor="middle" font-size="9">{len(inside)}</text>')
    a, b = place(one, one, 0, 0), place(one, one, 1, 1)
    body.append(f'<path d="M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" stroke="#888" stroke-dasharray="4 3"/>')
    Path(path).write_text(frame(title, "confidence", "share that is right", one, one, body))


def bars(path, title, rows):
    """`rows`: (name, count), the longest first: confusions, for instance."""
    most, high = max(count for _, count in rows), 30 + 16 * len(rows)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {high}" font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDE}" height="{high}" fill="white"/>',
           f'<text x="{WIDE / 2}" y="16" text-anchor="middle" font-size="13">{escape(title)}</text>']
    for i, (name, count) in enumerate(rows):
        at = 38 + 16 * i
        out.append(f'<text x="286" y="{at}" text-anchor="end">{escape(name)}</text>')
        out.append(f'<rect x="292" y="{at - 9}" width="{160 * count / most:.1f}" height="11" fill="{COLOURS[0]}"/>')
        out.append(f'<text x="{296 + 160 * count / most:.1f}" y="{at}">{count}</text>')
    Path(path).write_text("\n".join(out + ["</svg>"]) + "\n")
