"""The lines of a file that a user wrote, and what is wrong with one."""


def read_text(path):
    """A file's text; a byte order mark is left out."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path}: not a text in UTF-8 that can be read: {error}") from None


def numbered(path):
    """[(number, line)] of those that are not empty."""
    found = [(number, line) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    if not found:
        raise SystemExit(f"{path}: no lines")
    return found


def wrong(path, number, what):
    """The end, with the place and what is needed there."""
    raise SystemExit(f"{path}, line {number}: {what}") from None
