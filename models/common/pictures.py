"""The pictures of the models' cards, as SVG without any library: curves, bars, confusions, a clip with its events."""

import base64
import struct
import zlib
from html import escape
from math import log10
from pathlib import Path

import numpy as np

WIDE, HIGH, LEFT, RIGHT, TOP, BELOW = 480, 300, 60, 456, 44, 260  # a picture, and its axes inside it
COLOURS = ("#1f6fb4", "#d1662b", "#3a8f4d", "#8a5cb0")


def svg(path, width, height, parts):
    """Writes `parts` on white."""
    Path(path).write_text("\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>",
    ]) + "\n")


def text(x, y, said, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(str(said))}</text>'


class Axes:
    """Five ticks each over the ranges `x` and `y`; `log` draws y by its logarithm."""

    def __init__(self, title, x_name, y_name, x, y, log=False):
        self.x, self.y, self.log = x, [log10(v) for v in y] if log else y, log
        middle = (TOP + BELOW) / 2
        self.parts = [text(WIDE / 2, 16, title, "middle", 'font-size="13"'),
                      text((LEFT + RIGHT) / 2, HIGH - 6, x_name, "middle"),
                      text(0, 0, y_name, "middle", f'transform="translate(12 {middle}) rotate(-90)"')]
        for i in range(5):
            at_x, at_y = LEFT + (RIGHT - LEFT) * i / 4, BELOW - (BELOW - TOP) * i / 4
            value = self.y[0] + (self.y[1] - self.y[0]) * i / 4
            tick = x[0] + (x[1] - x[0]) * i / 4
            self.parts.append(text(at_x, BELOW + 14, f"{tick:,.0f}" if x[1] >= 100 else f"{tick:.4g}", "middle"))
            self.parts.append(text(LEFT - 4, at_y + 4, f"{10**value if log else value:.2g}", "end"))
            self.parts.append(f'<path d="M{LEFT} {at_y:.1f}H{RIGHT}" stroke="#ddd"/>')

    def place(self, x, y):
        y = log10(max(y, 1e-9)) if self.log else y
        return (LEFT + (RIGHT - LEFT) * (x - self.x[0]) / (self.x[1] - self.x[0] or 1),
                BELOW - (BELOW - TOP) * (y - self.y[0]) / (self.y[1] - self.y[0] or 1))


def curves(path, title, x_name, y_name, lines, log=False):
    """`lines`: name → list of (x, y). A training curve."""
    points = [p for line in lines.values() for p in line if not log or p[1] > 0]
    x = (min(p[0] for p in points), max(p[0] for p in points))
    y = (min(p[1] for p in points), max(p[1] for p in points))
    axes = Axes(title, x_name, y_name, x, y, log)
    for i, (name, line) in enumerate(lines.items()):
        d = " ".join("{:.1f},{:.1f}".format(*axes.place(a, max(b, y[0]))) for a, b in line)
        axes.parts.append(f'<polyline points="{d}" fill="none" stroke="{COLOURS[i % 4]}" stroke-width="1.5"/>')
        # The legend stands above the axes, where no curve is.
        axes.parts.append(text(LEFT + (RIGHT - LEFT) * (i + 0.5) / len(lines), TOP - 10, name, "middle", f'fill="{COLOURS[i % 4]}"'))
    svg(path, WIDE, HIGH, axes.parts)


def training(path, history, judged="validation", figure="val"):
    """What `run.Run` reported: the loss of a batch, and the share of errors in `judged` where `figure` was taken."""
    lines = {"loss of a batch": [(r["step"], r["loss"]) for r in history],
             f"errors in {judged}": [(r["step"], 1 - r[figure]) for r in history if figure in r]}
    curves(path, "Training", "step", "loss, share of errors", {k: v for k, v in lines.items() if v}, log=True)


def reliability(path, title, confidence, right, bins=10):
    """How often answers of each confidence are right; the depth of a bar's colour is the share of such answers."""
    axes = Axes(title, "confidence", "share that is right", (0.0, 1.0), (0.0, 1.0))
    for b in range(bins):
        inside = [r for c, r in zip(confidence, right) if b <= min(c * bins, bins - 1e-9) < b + 1]
        if inside:
            x0, y0 = axes.place(b / bins, sum(inside) / len(inside))
            x1, y1 = axes.place((b + 1) / bins, 0)
            depth = 0.25 + 0.75 * min(1, 3 * len(inside) / len(right))
            axes.parts.append(f'<rect x="{x0 + 1:.1f}" y="{y0:.1f}" width="{x1 - x0 - 2:.1f}" height="{y1 - y0:.1f}" '
                              f'fill="{COLOURS[0]}" opacity="{depth:.2f}"/>')
            axes.parts.append(text((x0 + x1) / 2, y0 - 3, len(inside), "middle", 'font-size="9"'))
    (ax, ay), (bx, by) = axes.place(0, 0), axes.place(1, 1)
    axes.parts.append(f'<path d="M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}" stroke="#888" stroke-dasharray="4 3"/>')
    svg(path, WIDE, HIGH, axes.parts)


def bars(path, title, rows):
    """`rows`: (name, count), the longest first: the commonest of many confusions, for instance."""
    most, parts = max(count for _, count in rows), [text(WIDE / 2, 16, title, "middle", 'font-size="13"')]
    for i, (name, count) in enumerate(rows):
        at, wide = 38 + 16 * i, 160 * count / most
        parts.append(text(286, at, name, "end"))
        parts.append(f'<rect x="292" y="{at - 9}" width="{wide:.1f}" height="11" fill="{COLOURS[0]}"/>')
        parts.append(text(296 + wide, at, count))
    svg(path, WIDE, 30 + 16 * len(rows), parts)


def confusion(path, title, counts, names, answers=None):
    """Rows are what it was, columns what was answered (`names`, and more if `answers` says so); the depth of a colour is
    the share of the row."""
    answers = answers or names
    counts, cell, left, top = np.asarray(counts), 34, 130, 50 + 5 * max(map(len, answers))
    parts = [text(8, 16, title, extra='font-size="13"'), text(8, 32, "row: what it was, column: the model's answer")]
    for j, name in enumerate(answers):
        x = left + cell * j + 20
        parts.append(text(x, top - 6, name, extra=f'transform="rotate(-45 {x} {top - 6})"'))
    for i, name in enumerate(names):
        parts.append(text(left - 6, top + cell * i + 21, name, "end"))
        for j, count in enumerate(counts[i]):
            shade = int(255 - 170 * (count / max(1, counts[i].sum())) ** 0.5)
            colour = f"rgb({shade},{shade},255)" if i == j else f"rgb(255,{shade},{shade})"
            x, y = left + cell * j, top + cell * i
            parts.append(f'<rect x="{x}" y="{y}" width="{cell - 1}" height="{cell - 1}" fill="{colour}" stroke="#ddd"/>')
            if count:
                parts.append(text(x + cell / 2, y + 21, int(count), "middle"))
    svg(path, left + cell * len(answers) + 90, top + cell * len(names) + 12, parts)


def png(grey):
    """(height, width) of 0 … 255 as a PNG file's bytes."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(  # noqa: E731
        ">I", zlib.crc32(kind + data))
    height, width = grey.shape
    raw = b"".join(b"\0" + row.tobytes() for row in grey.astype(np.uint8))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def spectrogram(path, title, log_mel, seconds_per_frame, events=(), score=None):
    """Log-mels (frames, mels), low bands below, and the events (seconds, name, confidence) drawn in.

    `score`: (name, [(seconds, 0 … 1)]), drawn below.
    """
    log_mel, size = np.asarray(log_mel, np.float64), 4
    low, high = np.percentile(log_mel, [1, 99.8])
    grey = 255 - np.clip((log_mel - low) / (high - low + 1e-9) * 255, 0, 255)
    (mels, frames), top = grey.T.shape, 44
    data = base64.b64encode(png(grey.T[::-1].repeat(size, 0).repeat(size, 1))).decode()
    width, height = size * frames, size * mels
    x_of = lambda seconds: 10 + size * seconds / seconds_per_frame  # noqa: E731
    parts = [text(10, 16, title, extra='font-size="13"'),
             f'<image x="10" y="{top}" width="{width}" height="{height}" '
             f'href="data:image/png;base64,{data}"/>',  # digital silence is white: a frame shows where it is
             f'<rect x="9.5" y="{top - 0.5}" width="{width + 1}" height="{height + 1}" fill="none" stroke="#888"/>']
    for seconds, name, confidence in events:
        x = x_of(seconds)
        parts.append(f'<path d="M{x:.1f} {top}v{height}" stroke="#d00" stroke-width="2"/>')
        parts.append(text(x, top - 6, f"{name} {100 * confidence:.0f} % at {seconds:.2f} s", "middle", 'fill="#d00"'))
    base = top + height
    for second in range(int(frames * seconds_per_frame) + 1):
        parts.append(text(x_of(second), base + 14, f"{second} s", "middle" if second else "start"))
    if score:
        name, line = score
        base += 90
        at = " ".join(f"{x_of(s):.1f},{base - 60 * p:.1f}" for s, p in line)
        parts.append(f'<path d="M10 {base}h{width}M10 {base - 60}h{width}" stroke="#ddd"/>')
        parts.append(f'<polyline fill="none" stroke="{COLOURS[0]}" stroke-width="1.5" points="{at}"/>')
        parts.append(text(12, base + 13, f"score of {name}, from 0 to 1", extra=f'fill="{COLOURS[0]}"'))
    svg(path, width + 20, base + 22, parts)
