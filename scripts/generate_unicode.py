#!/usr/bin/env python3
"""Writes tessera/text/unicode_tables.cc.

The tables are not taken from a version of the Unicode Character Database but from what the Python
package `tokenizers` does with every code point, because ids must equal its ids: its regular
expressions, its Bert rules and its normal forms each follow another version.

  python scripts/generate_unicode.py > tessera/text/unicode_tables.cc      (needs: tokenizers)
"""
import base64
import json
import struct
import sys

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)

CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn").split()
SCRIPTS = "Han Hiragana Katakana Hangul".split()


def removed_by(pre_tokenizer):
    return [c for c in ALL if not pre_tokenizer.pre_tokenize_str(chr(c))]


def regex_set(pattern):
    return removed_by(pre_tokenizers.Split(Regex(pattern), "removed"))


def split_from_letter(pre_tokenizer):
    """Code points that stand apart from a letter before them."""
    return [c for c in ALL if len(pre_tokenizer.pre_tokenize_str("a" + chr(c))) == 2]


def ranges(points):
    out = []
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def sets():
    for name in CATEGORIES + SCRIPTS:
        yield name, regex_set(r"\p{%s}" % name)
    yield "word", regex_set(r"\w")
    yield "space", regex_set(r"\s")
    # Whitespace: \w+|[^\w\s]+ of another regular expression library.
    whitespace = pre_tokenizers.Whitespace()
    yield "whitespace_word", [c for c in ALL
                              if [p[0] for p in whitespace.pre_tokenize_str("a" + chr(c))] == ["a" + chr(c)]]
    yield "whitespace_space", removed_by(whitespace)
    yield "split_space", removed_by(pre_tokenizers.WhitespaceSplit())
    yield "numeric", split_from_letter(pre_tokenizers.Digits(False))
    yield "punctuation", split_from_letter(pre_tokenizers.Punctuation())
    bert = pre_tokenizers.BertPreTokenizer()
    yield "bert_space", removed_by(bert)
    yield "bert_punctuation", split_from_letter(bert)
    clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False,
                                       lowercase=False)
    cleaned = {c: clean.normalize_str(chr(c)) for c in ALL}
    yield "bert_clean_space", [c for c in ALL if cleaned[c] == " "]
    yield "bert_removed", [c for c in ALL if cleaned[c] == ""]
    chinese = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False,
                                         lowercase=False)
    yield "bert_chinese", [c for c in ALL if len(chinese.normalize_str(chr(c))) == 3]
    accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True,
                                         lowercase=False)
    yield "bert_accent", [c for c in ALL if accents.normalize_str(chr(c)) == ""]
    strip = normalizers.StripAccents()
    yield "accent", [c for c in ALL if strip.normalize_str(chr(c)) == ""]
    left = normalizers.Strip()
    yield "strip_space", [c for c in ALL if left.normalize_str(chr(c)) == ""]


def replacing(key):
    """A Precompiled normaliser that writes Z for `key`; it sees text in grapheme clusters."""
    units = [256 << 10] + [0] * 511
    at = 256
    for i, byte in enumerate(key):
        at ^= byte
        last = i + 1 == len(key)
        # Every node has a block of 256 units of its own.
        base = len(units)
        units += [0] * 256
        units[at] = (base ^ at) << 10 | last << 8 | byte
        at = base
    units[at] = 1 << 31
    trie = struct.pack("<%dI" % len(units), *units)
    blob = struct.pack("<I", len(trie)) + trie + b"Z\0"
    spec = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}
    model = {"type": "WordLevel", "vocab": {"x": 0}, "unk_token": "x"}
    whole = tokenizers.Tokenizer.from_str(json.dumps({"version": "1.0", "normalizer": spec, "model": model}))
    return whole.normalizer.normalize_str


def joining(before, middle, after):
    """Code points c for which before + c + middle and `after` are in one cluster.

    `after` is a character and a mark: together they are written anew unless something before them belongs
    to their cluster. A line end stands between the questions and ends every cluster.
    """
    form = replacing(after.encode())
    points = [c for c in ALL if c not in (10, 13)]
    asked = "\n".join(before + chr(c) + middle + after for c in points)
    return [c for c, answer in zip(points, form(asked).split("\n")) if not answer.endswith("Z")]


def grapheme_sets():
    """What unicode-segmentation knows; only what clusters of up to five bytes can show."""
    form = replacing(b"a")
    points = [c for c in ALL if c not in (10, 13)]
    answers = form("\n".join("a" + chr(c) for c in points)).split("\n")
    yield "grapheme_extend", [c for c, answer in zip(points, answers) if answer == "Z"]
    marks = "\u0301\u0300"
    yield "grapheme_control", sorted(set(ALL) - set(joining("", "", marks)) | {10, 13})
    yield "grapheme_prepend", joining("", "", "a\u0300")
    yield "grapheme_before_vowel", joining("", "", "\u1161\u0300")
    yield "grapheme_before_final", joining("", "", "\u11a8\u0300")
    pictures = [c for c in joining("", "\u200d", "\u00a9\u0300") if c != 0x200D]
    yield "grapheme_picture", pictures
    letter = "\u0915\u0300"
    yield "grapheme_consonant", joining("", "\u094d", letter)
    yield "grapheme_linker", joining("\u0915", "", letter)
    yield "grapheme_linked", joining("\u0915\u094d", "", letter)


def scripts():
    """Code points by script, as numbers from 1 on; 0: goes with any."""
    split = lambda text: len(pre_tokenizers.UnicodeScripts().pre_tokenize_str(text)) > 1
    known, out = [], []
    for c in ALL:
        if out and out[-1][1] == c - 1 and known and not split(chr(c - 1) + chr(c)):
            # Neighbours that do not split are of one script, unless one of them goes with any.
            same = out[-1][2] and split("a" + chr(c)) | split("\u0431" + chr(c)) or (
                not out[-1][2] and not split("a" + chr(c)) and not split("\u0431" + chr(c)))
            if same:
                out[-1][1] = c
                continue
        if not split("a" + chr(c)) and not split("\u0431" + chr(c)):
            number = 0
        else:
            number = next((i + 1 for i, k in enumerate(known) if not split(k + chr(c))), 0)
            if number == 0:
                known.append(chr(c))
                number = len(known)
        out.append([c, c, number])
    return [row for row in out if row[2]]


def mapping(normalizer, skip=()):
    out = {}
    for c in ALL:
        if c in skip:
            continue
        to = normalizer.normalize_str(chr(c))
        if to != chr(c):
            out[c] = [ord(x) for x in to]
    return out


def combining_classes(nfd):
    """The class of c by how it is reordered after marks of known classes."""
    known = [(1, 0x0334), (7, 0x093C), (8, 0x3099), (9, 0x094D)] + [
        (10 + i, 0x05B0 + i) for i in range(10)] + [
        (19, 0x05B9), (20, 0x05BB), (21, 0x05BC), (22, 0x05BD), (23, 0x05BF), (24, 0x05C1), (25, 0x05C2),
        (26, 0xFB1E), (27, 0x064B), (28, 0x064C), (29, 0x064D), (30, 0x064E), (31, 0x064F), (32, 0x0650),
        (33, 0x0651), (34, 0x0652), (35, 0x0670), (36, 0x0711), (84, 0x0C55), (91, 0x0C56), (103, 0x0E38),
        (107, 0x0E48), (118, 0x0EB8), (122, 0x0EC8), (129, 0x0F71), (130, 0x0F72), (132, 0x0F74),
        (202, 0x0327), (214, 0x1DCE), (216, 0x031B), (218, 0x302A), (220, 0x0316), (222, 0x059A),
        (224, 0x302E), (226, 0x1D16D), (228, 0x302B), (230, 0x0300), (232, 0x0315), (233, 0x035C),
        (234, 0x0360), (240, 0x0345)]
    known = sorted(set(known))
    form = nfd.normalize_str
    swaps = lambda mark, c: form(chr(mark) + chr(c)) == chr(c) + chr(mark)
    for (a, mark_a), (b, mark_b) in zip(known, known[1:]):
        assert a == b or swaps(mark_b, mark_a), (a, b)
    out = {}
    for c in ALL:
        if form(chr(c)) != chr(c):
            continue
        if c == 0x0345:
            out[c] = 240
        elif swaps(0x0345, c):
            out[c] = max(k for k, mark in known if mark == c or not swaps(mark, c)) if not swaps(0x0334, c) else 1
    return out


def main():
    write = sys.stdout.write
    write("// Generated by scripts/generate_unicode.py from the behaviour of the Python package\n"
          "// tokenizers %s. Do not edit.\n" % tokenizers.__version__)
    write('#include "tessera/text/unicode_tables.h"\n\n// clang-format off\nnamespace tessera::unicode {\nnamespace {\n\n')
    seen, entries = {}, []
    for name, points in [*sets(), *grapheme_sets()]:
        r = tuple(map(tuple, ranges(points)))
        sys.stderr.write("%s: %d code points, %d ranges\n" % (name, len(points), len(r)))
        if r not in seen:
            seen[r] = "k_" + name
            write("constexpr Range k_%s[] = {" % name)
            for i, (a, b) in enumerate(r):
                write(("\n" if i % 8 == 0 else "") + "{0x%X,0x%X}," % (a, b))
            if not r:
                write("{1,0}")
            write("};\n")
        entries.append((name, seen[r]))
    nfd, nfc = normalizers.NFD(), normalizers.NFC()
    canonical = mapping(nfd, HANGUL)
    for c in HANGUL:
        s = c - 0xAC00
        want = [0x1100 + s // 588, 0x1161 + s % 588 // 28] + ([0x11A7 + s % 28] if s % 28 else [])
        assert [ord(x) for x in nfd.normalize_str(chr(c))] == want
        assert nfc.normalize_str("".join(map(chr, want))) == chr(c)
    compatible = {c: v for c, v in mapping(normalizers.NFKD(), HANGUL).items() if canonical.get(c) != v}
    lower = mapping(normalizers.Lowercase())
    pool, where = [], {}

    def place(points):
        key = tuple(points)
        if key not in where:
            where[key] = len(pool)
            pool.extend(points)
        return where[key]

    for name, table in (("canonical", canonical), ("compatible", compatible), ("lower", lower)):
        write("constexpr Mapping k_%s[] = {" % name)
        for i, (c, to) in enumerate(sorted(table.items())):
            write(("\n" if i % 8 == 0 else "") + "{0x%X,%d,%d}," % (c, place(to), len(to)))
        write("};\n")
        sys.stderr.write("%s: %d\n" % (name, len(table)))
    write("constexpr char32_t k_pool[] = {")
    for i, c in enumerate(pool):
        write(("\n" if i % 12 == 0 else "") + "0x%X," % c)
    write("};\n")
    pairs = []
    for c, to in canonical.items():
        if len(to) < 2 or nfc.normalize_str("".join(map(chr, to))) != chr(c):
            continue
        first = nfc.normalize_str("".join(map(chr, to[:-1])))
        assert len(first) == 1, hex(c)
        pairs.append((ord(first), to[-1], c))
    write("constexpr Composition k_compositions[] = {")
    for i, p in enumerate(sorted(pairs)):
        write(("\n" if i % 8 == 0 else "") + "{0x%X,0x%X,0x%X}," % p)
    write("};\n")
    classes = combining_classes(nfd)
    rows = []
    for c in sorted(classes):
        if rows and rows[-1][1] == c - 1 and rows[-1][2] == classes[c]:
            rows[-1][1] = c
        else:
            rows.append([c, c, classes[c]])
    write("constexpr ClassRange k_combining[] = {")
    for i, (a, b, k) in enumerate(rows):
        write(("\n" if i % 8 == 0 else "") + "{0x%X,0x%X,%d}," % (a, b, k))
    write("};\nconstexpr ClassRange k_scripts[] = {")
    for i, (a, b, k) in enumerate(scripts()):
        write(("\n" if i % 8 == 0 else "") + "{0x%X,0x%X,%d}," % (a, b, k))
    write("};\n\nconstexpr NamedSet k_sets[] = {\n")
    for name, array in entries:
        write('    {"%s", %s},\n' % (name, array))
    write("};\n\n}  // namespace\n\n")
    write("std::span<const NamedSet> named_sets() { return k_sets; }\n")
    for name, kind in (("canonical", "Mapping"), ("compatible", "Mapping"), ("lower", "Mapping"),
                       ("pool", "char32_t"), ("compositions", "Composition"), ("combining", "ClassRange"),
                       ("scripts", "ClassRange")):
        write("std::span<const %s> %s_table() { return k_%s; }\n" % (kind, name, name))
    write("\n}  // namespace tessera::unicode\n")


main()
