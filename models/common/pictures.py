"""The pictures of a model's card, as SVG: confusions, the course of a training, a clip with its events."""

import base64
import struct
import zlib

import numpy as np

STYLE = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11"'


def _svg(width, height, parts):
    body = "\n".join(parts)
    return (f'<svg {STYLE} width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')


def _text(x, y, text, anchor="start", extra=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" {extra}>{text}</text>'


def confusion(counts, names):
    """Rows are what was, columns what was answered; a row's colours are its shares."""
    counts, cell, left, top = np.asarray(counts), 34, 130, 100
    parts = [_text(8, 16, "row: what it was; column: what the model said")]
    for i, name in enumerate(names):
        parts.append(_text(left - 6, top + cell * i + 21, name, "end"))
        x = left + cell * i + 20
        parts.append(_text(x, top - 6, name, "start", f'transform="rotate(-45 {x} {top - 6})"'))
        for j, count in enumerate(counts[i]):
            share = count / max(1, counts[i].sum())
            shade = int(255 - 200 * share ** 0.5) if count else 255
            colour = f"rgb({shade},{shade},255)" if i == j else f"rgb(255,{shade},{shade})"
            x, y = left + cell * j, top + cell * i
            parts.append(f'<rect x="{x}" y="{y}" width="{cell - 1}" height="{cell - 1}" fill="{colour}" stroke="#ddd"/>')
            if count:
                parts.append(_text(x + cell / 2, y + 21, int(count), "middle"))
    size = cell * len(names)
    return _svg(left + size + 80, top + size + 12, parts)


def curve(points, key="val"):
    """Loss, and the figure `key` where it was taken, over steps: `training.train`'s `curve`."""
    width, height, left, bottom = 520, 240, 46, 210
    last = points[-1]["step"]
    parts = [f'<rect x="{left}" y="20" width="{width - left - 50}" height="{bottom - 20}" fill="none" stroke="#888"/>']

    def line(name, colour, side, low, high):
        at = [(left + (width - left - 50) * p["step"] / last, bottom - (bottom - 20) * (p[name] - low) / (high - low + 1e-9))
              for p in points if name in p]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="'
                     + " ".join(f"{x:.1f},{y:.1f}" for x, y in at) + '"/>')
        for value, y in ((low, bottom), (high, 28)):
            x, anchor = (left - 4, "end") if side == "left" else (width - 46, "start")
            parts.append(_text(x, y, f"{value:.2f}", anchor, f'fill="{colour}"'))

    values = {name: [p[name] for p in points if name in p] for name in ("loss", key)}
    line("loss", "#b33", "left", min(values["loss"]), max(values["loss"]))
    if values[key]:
        line(key, "#33b", "right", min(values[key]), max(values[key]))
    parts += [_text(left, 14, "loss of a batch", extra='fill="#b33"'), _text(width - 50, 14, key, "end", 'fill="#33b"'),
              _text(width / 2, height - 10, f"steps (of {last})", "middle")]
    return _svg(width, height, parts)


def png(grey):
    """(height, width) of 0 … 255 as a PNG file's bytes."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(  # noqa: E731
        ">I", zlib.crc32(kind + data))
    height, width = grey.shape
    raw = b"".join(b"\0" + row.tobytes() for row in grey.astype(np.uint8))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def spectrogram(log_mel, seconds_per_frame, events, names, scores=None, seconds_per_row=None):
    """Log-mels (frames, mels), low bands below, with the events [(seconds, label, confidence)] drawn in.

    Below them the smoothed score of the label of the first event, if `scores` (rows, labels) are given.
    """
    log_mel = np.asarray(log_mel, np.float64)
    low, high = np.percentile(log_mel, [1, 99.8])
    grey = 255 - np.clip((log_mel - low) / (high - low + 1e-9) * 255, 0, 255)
    grey = np.repeat(np.repeat(grey.T[::-1], 4, 0), 4, 1)
    height, width = grey.shape
    data = base64.b64encode(png(grey)).decode()
    parts = [f'<image x="10" y="24" width="{width}" height="{height}" href="data:image/png;base64,{data}"/>']
    x_of = lambda seconds: 10 + 4 * seconds / seconds_per_frame  # noqa: E731
    for seconds, label, confidence in events:
        x = x_of(seconds)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="24" y2="{height + 24}" stroke="#d00" stroke-width="2"/>')
        parts.append(_text(x, 18, f"{names[label]} {100 * confidence:.0f} % at {seconds:.2f} s", "middle", 'fill="#d00"'))
    total = height + 44
    if scores is not None and events:
        base, label = height + 100, events[0][1]
        at = " ".join(f"{x_of((r + 1) * seconds_per_row):.1f},{base - 60 * p:.1f}" for r, p in enumerate(scores[:, label]))
        parts.append(f'<polyline fill="none" stroke="#33b" stroke-width="1.5" points="{at}"/>')
        parts.append(_text(12, base + 14, f"score of {names[label]}, 0 to 1", extra='fill="#33b"'))
        total = base + 20
    for second in range(int(len(log_mel) * seconds_per_frame) + 1):
        parts.append(_text(x_of(second), height + 36, f"{second} s", "middle"))
    return _svg(width + 20, total, parts)
