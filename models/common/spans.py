"""Entities of tagged words, as CoNLL-2000's script counts them."""


def spans(tags):
    """`(kind, first, end)` of every entity; an I- without its B- begins one."""
    found, kind, first = [], None, 0
    for i, tag in enumerate([*tags, "O"]):
        begins = tag.startswith("B-") or (tag.startswith("I-") and tag[2:] != kind)
        if kind is not None and (begins or tag == "O"):
            found.append((kind, first, i))
            kind = None
        if begins:
            kind, first = tag[2:], i
    return found


def entity_f1(found, wanted):
    """The harmonic mean of precision and recall over all sentences; an entity is right as a whole or not at all."""
    right = sum(len(set(spans(a)) & set(spans(b))) for a, b in zip(found, wanted))
    said, there = sum(len(spans(a)) for a in found), sum(len(spans(b)) for b in wanted)
    return 2 * right / max(1, said + there)
