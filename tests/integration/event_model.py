"""An independent model of what a batch job must write, from the contract, the job and the input alone.

It is slow and plain on purpose. What no outsider can compute (a new key link, a sealed text, an HMAC under the
vault's key) it takes from the file at hand, proves to be right, and builds the whole line around it.
"""

import datetime
import json
import re
from zoneinfo import ZoneInfo

from sealed_form import cut_path, murmur3

_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_SCALAR = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_SPACE = re.compile(rb"[ \t\r\n]*")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
DAY_MS = 86400000
UNDECLARED = object()


class Node:
    """A JSON value where it stands; members are (name, name_start, node, next)."""

    __slots__ = ("kind", "start", "end", "children")

    def __init__(self, kind, start):
        self.kind = kind
        self.start = start
        self.end = start
        self.children = []


def decode(token):
    """The UTF-8 text of a JSON string."""
    if b"\\" not in token:
        return token[1:-1]
    return json.loads(token).encode("utf-8")


def _skip(text, at):
    return _SPACE.match(text, at).end()


def parse(text, at=0):
    at = _skip(text, at)
    first = text[at : at + 1]
    if first == b'"':
        node = Node("string", at)
        node.end = _STRING.match(text, at).end()
    elif first in b"{[":
        node = Node("object" if first == b"{" else "array", at)
        closer = b"}" if first == b"{" else b"]"
        at = _skip(text, at + 1)
        while text[at : at + 1] != closer:
            name, name_start = None, at
            if closer == b"}":
                end = _STRING.match(text, at).end()
                name = decode(text[at:end])
                at = _skip(text, end)
                assert text[at : at + 1] == b":"
                at += 1
            child = parse(text, at)
            at = _skip(text, child.end)
            node.children.append((name, name_start, child, at))
            if text[at : at + 1] == b",":
                at = _skip(text, at + 1)
            else:
                assert text[at : at + 1] == closer
        node.end = at + 1
    else:
        node = Node("scalar", at)
        node.end = _SCALAR.match(text, at).end()
        if text[at : node.end] == b"null":
            node.kind = "null"
    return node


class Cell:
    """A value that the contract has something to say about."""

    __slots__ = ("field", "path", "start", "end", "kind", "plain", "member_start", "member_next", "sealed")

    def __init__(self, field, path, node, text, member_start=0, member_next=0):
        self.field = field
        self.path = path
        self.start = node.start
        self.end = node.end
        self.kind = node.kind
        token = text[node.start : node.end]
        self.plain = decode(token) if node.kind == "string" else token
        self.member_start = member_start
        self.member_next = member_next
        self.sealed = None

    @property
    def data(self):
        """Associated data."""
        path = cut_path(self.path) if self.field is UNDECLARED else self.path
        return path if self.kind == "string" else path + b"~json"


def _steps(path):
    return [s if s == "*" else s.replace("~1", "/").replace("~0", "~") for s in path.split("/")]


def _escape(name):
    return name.replace(b"~", b"~0").replace(b"/", b"~1")


class Contract:
    def __init__(self, definition):
        self.ref = definition["contract"]
        self.is_csv = definition.get("format") == "csv"
        self.fields = {
            path: field if isinstance(field, dict) else {"type": field} for path, field in definition["fields"].items()
        }
        self.undeclared = definition.get("undeclared", "drop")
        self.undeclared_purpose = definition.get("undeclared_purpose")
        self.key = definition["key"]
        self.time = definition.get("time")
        self.consent = definition.get("consent", {})
        self.tree = {}
        for path in self.fields:
            at = self.tree
            steps = _steps(path)
            for step in steps[:-1]:
                at = at.setdefault(step.encode(), {})
            at[steps[-1].encode()] = path

    def cells(self, text, root):
        found = []
        self._walk(text, root, self.tree, b"", found)
        return found

    def _walk(self, text, node, tree, path, found):
        for name, name_start, child, after in node.children:
            if b"*" in tree:
                below, step = tree[b"*"], b"*"
            else:
                below = tree.get(name) if name is not None else None
                step = _escape(name or b"")
            full = path + b"/" + step if path else step
            if isinstance(below, str):
                found.append(Cell(below, below.encode(), child, text))
            elif isinstance(below, dict):
                self._walk(text, child, below, full, found)
            elif name is not None and self.undeclared != "pass":
                found.append(Cell(UNDECLARED, full, child, text, name_start, after))

    def purpose_of(self, cell):
        """None = not personal."""
        if cell.field is UNDECLARED:
            return self.undeclared_purpose if self.undeclared == "seal" else None
        purpose = self.fields[cell.field].get("personal")
        return None if purpose is False else purpose

    def consents(self, text):
        """The rules of the reference: a mapping, a level or a list of them, the default."""
        if text is None:
            return sorted(set(self.consent.get("otherwise", [])))
        text = text.decode()
        if text in self.consent.get("map", {}):
            return sorted(set(self.consent["map"][text]))
        level = r"[ \t\r\n]*[0-9]+[ \t\r\n]*"
        inner = re.fullmatch(rf"[ \t\r\n]*(?:\[((?:{level}(?:,{level})*)|[ \t\r\n]*)\][ \t\r\n]*|({level}))", text)
        if inner:
            levels = [int(n) for n in (inner.group(1) or inner.group(2) or "").split(",") if n.strip()]
            if all(n <= 63 for n in levels):
                return sorted(set(levels))
        return sorted(set(self.consent.get("otherwise", [])))


_FORMS = {
    "yyyy-MM-dd HH:mm:ss": ("%Y-%m-%d %H:%M:%S", 0),
    "M/d/yyyy H:m": ("%m/%d/%Y %H:%M", 0),
    "yyyy-MM-dd'T'HH:mm:ss.SSSXXX": ("%Y-%m-%dT%H:%M:%S.%f%z", 0),
    "dd MMM yyyy hh:mm:ss a Z": ("%d %b %Y %I:%M:%S %p %z", 0),
    # `n` is the nanosecond of the second, so six digits are below a millisecond.
    "yyyy-MM-dd HH.mm.ss.nnnnnn:Z": ("%Y-%m-%d %H.%M.%S.%f:%z", 1000),
}


def time_ms(time, text):
    form = time.get("form", "rfc3339")
    if form == "epoch-ms":
        return int(text)
    if form == "epoch-s":
        return int(text) * 1000
    if form == "rfc3339":
        moment = datetime.datetime.fromisoformat(text)
    else:
        pattern, divisor = _FORMS[form]
        moment = datetime.datetime.strptime(text, pattern)
        if divisor:
            moment = moment.replace(microsecond=moment.microsecond // divisor)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(time["zone"]))
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)


class View:
    def __init__(self, definition):
        self.file = definition["file"]
        self.purposes = set(definition["purposes"])
        self.is_cumulative = definition.get("consent") == "cumulative"
        self.masks = {
            path: mask if isinstance(mask, dict) else {"form": mask}
            for path, mask in definition.get("mask", {}).items()
        }
        self.opened = set(range(max(self.purposes) + 1)) if self.is_cumulative else self.purposes

    def passes(self, consents):
        if not consents:
            return False
        return max(consents) >= max(self.purposes) if self.is_cumulative else self.purposes <= set(consents)


class HmacClasses:
    """Masks under a key that we do not have: the same text, the same mask; another text, another mask."""

    _FORM = re.compile(rb"[0-9a-f]{32}")

    def __init__(self):
        self.mask_of = {}
        self.text_of = {}

    def fits(self, seed, text, mask):
        return (
            self._FORM.fullmatch(mask) is not None
            and self.mask_of.setdefault((seed, text), mask) == mask
            and self.text_of.setdefault(mask, (seed, text)) == (seed, text)
        )


class Model:
    """One job over one input."""

    def __init__(self, contract, views, keys, hmac):
        self.contract = contract
        self.views = [View(v) for v in views]
        self.keys = keys
        self.hmac = hmac
        self.link_of = {}
        self.owner_of = {}
        self.sealed_of = {}
        self.plain_of = {}
        self.random = set()
        self.sealed_count = 0

    # What the vault decides, proven by its rules.

    def check_link(self, owner, ms, link):
        window = (owner, ms // DAY_MS)
        if self.link_of.setdefault(window, link) != link or self.owner_of.setdefault(link, window) != window:
            raise AssertionError(f"key link {link} is not that of its person and day")

    def check_sealed(self, cell, link, text):
        contract = self.contract
        purpose = contract.purpose_of(cell)
        plain = self.keys.open(link, purpose, cell.data, text)
        if plain != cell.plain:
            raise AssertionError(f"{cell.path}: sealed text opens to another value")
        self.sealed_count += 1
        if cell.field is not UNDECLARED and contract.fields[cell.field].get("iv") == "random":
            if text in self.random:
                raise AssertionError("a random IV twice")
            self.random.add(text)
            return
        identity = (link, purpose, cell.data, plain)
        if self.sealed_of.setdefault(identity, text) != text or self.plain_of.setdefault(text, identity) != identity:
            raise AssertionError(f"{cell.path}: equal values are not sealed equally")

    # One row: what each cell becomes.

    def mask(self, view, cell, text, actual):
        mask = view.masks[cell.field]
        if mask["form"] == "murmur3":
            return murmur3(mask.get("seed", "").encode() + text)
        if actual is None or not self.hmac.fits(mask.get("seed"), text, actual):
            raise AssertionError(f"{cell.path}: no stable mask ({actual!r})")
        return actual

    def is_withheld(self, view, cell):
        """Does the view have to do without the event, because of this cell?"""
        purpose = self.contract.purpose_of(cell)
        if cell.kind == "null" or cell.field is UNDECLARED or purpose is None or purpose in view.opened:
            return False
        return self.contract.fields[cell.field].get("unreadable") == "fail"

    def piece(self, view, cell, actual):
        """Replacement of a cell in a view: None = as it stands, bytes = a string, Null, Value or Cut."""
        contract = self.contract
        purpose = contract.purpose_of(cell)
        if cell.field is UNDECLARED and contract.undeclared == "drop":
            return Cut
        is_open = purpose is None or purpose in view.opened
        if cell.kind == "null":
            return None
        result = None
        text = cell.plain
        if not is_open:
            unreadable = "sealed" if cell.field is UNDECLARED else contract.fields[cell.field].get("unreadable", "sealed")
            if unreadable is None:
                return Null
            if unreadable == "sealed":
                result = text = cell.sealed
            else:
                text = unreadable.encode() if isinstance(unreadable, str) else json.dumps(unreadable).encode()
                result = Value(unreadable)
        if cell.field in view.masks:
            return self.mask(view, cell, text, actual)
        return result


    # Whole rows.

    def row(self, text, sealed_line, view_lines):
        """Check one row of the input against the outputs; view_lines[v]() gives the next line of a view."""
        cells = self.cells(text)
        ms, consents, owner = self.facts(text, cells)
        link = self.link_in(sealed_line)
        self.check_link(owner, ms, link)
        meta = self.meta(ms, link, consents)

        def seal(cell, actual):
            if self.contract.purpose_of(cell) is None:
                return Cut if cell.field is UNDECLARED else None
            if cell.kind == "null":
                return None
            if actual is None:
                raise AssertionError(f"{cell.path}: not sealed")
            self.check_sealed(cell, link, actual)
            cell.sealed = actual
            return actual

        expected = self.render(text, cells, seal, meta, sealed_line)
        if expected != sealed_line:
            raise AssertionError(f"sealed file\n expected {expected!r}\n is       {sealed_line!r}")
        for view, next_line in zip(self.views, view_lines):
            if not view.passes(consents) or any(self.is_withheld(view, cell) for cell in cells):
                continue
            actual = next_line()
            choose = lambda cell, found, view=view: self.piece(view, cell, found)
            expected = self.render(text, cells, choose, meta, actual)
            if expected != actual:
                raise AssertionError(f"{view.file}\n expected {expected!r}\n is       {actual!r}")


class JsonModel(Model):
    def cells(self, text):
        self.root = parse(text)
        return self.contract.cells(text, self.root)

    def facts(self, text, cells):
        first = {}
        for cell in cells:
            if cell.kind != "null" or cell.field not in first:
                first.setdefault(cell.field, None if cell.kind == "null" else cell.plain)
        contract = self.contract
        ms = time_ms(contract.time, first[contract.time["field"]].decode())
        return ms, contract.consents(first.get(contract.consent.get("field"))), first[contract.key]

    def link_in(self, line):
        at = line.rindex(b'"keyLink":"') + 11
        return line[at : at + 36].decode()

    def meta(self, ms, link, consents):
        return json.dumps(
            {
                "strmMeta": {
                    "eventContractRef": self.contract.ref,
                    "nonce": 0,
                    "timestamp": ms,
                    "keyLink": link,
                    "billingId": None,
                    "consentLevels": consents,
                }
            },
            separators=(",", ":"),
        ).encode()[1:-1]

    def render(self, text, cells, choose, meta, actual):
        out = bytearray()
        done = 0
        for cell in cells:
            found = None
            at = len(out) + cell.start - done
            end = actual.find(b'"', at + 1)
            if actual[at : at + 1] == b'"' and end >= 0:
                found = bytes(actual[at + 1 : end])
            piece = choose(cell, found)
            if piece is None:
                continue
            if piece is Cut:
                out += text[done : cell.member_start]
                if text[cell.member_next : cell.member_next + 1] == b",":
                    done = _skip(text, cell.member_next + 1)
                else:
                    stripped = out.rstrip(b" \t\r\n")
                    if stripped.endswith(b","):
                        out = stripped[:-1]
                    done = cell.end
                continue
            out += text[done : cell.start]
            if piece is Null:
                out += b"null"
            elif isinstance(piece, Value):
                out += json.dumps(piece.value, ensure_ascii=False, separators=(",", ":")).encode()
            else:
                out += b'"' + piece + b'"'
            done = cell.end
        last = self.root.end - 1
        out += text[done:last]
        if meta is None:
            return bytes(out + text[last:])
        if not out.rstrip(b" \t\r\n").endswith(b"{"):
            out += b","
        return bytes(out + meta + text[last:])


    def opened(self, text):
        """What opening the sealed row with all keys gives."""

        def choose(cell, _):
            purpose = self.contract.purpose_of(cell)
            if purpose is None and cell.field is UNDECLARED:
                return Cut
            if purpose is None or cell.kind != "string":
                return None
            return Value(cell.plain.decode())

        return self.render(text, self.cells(text), choose, None, b"")


class CsvCell:
    __slots__ = ("field", "path", "raw", "kind", "plain", "sealed")

    def __init__(self, field, name, raw):
        self.field = field
        self.path = name.encode()
        self.raw = raw
        self.kind = "string" if raw else "null"
        self.plain = raw[1:-1].replace(b'""', b'"') if raw[:1] == b'"' else raw
        self.sealed = None

    @property
    def data(self):
        return cut_path(self.path) if self.field is UNDECLARED else self.path


_CSV_CELL = re.compile(rb'("(?:[^"]|"")*"|[^,"\r\n]*)(,|$)')


def csv_cells(record):
    """The raw cells of one record."""
    found, at = [], 0
    while True:
        match = _CSV_CELL.match(record, at)
        found.append(match.group(1))
        at = match.end()
        if not match.group(2):
            return found


def csv_records(content):
    """Records of a file with CRLF or LF ends, quoted line ends inside."""
    record = re.compile(rb'((?:"(?:[^"]|"")*"|[^"\n])*?)\r?(?:\n|\Z)')
    found, at = [], 0
    while at < len(content):
        match = record.match(content, at)
        found.append(match.group(1))
        at = match.end()
    return found


class CsvModel(Model):
    def use_header(self, record):
        self.columns = [CsvCell(None, "", raw).plain.decode() for raw in csv_cells(record)]

    def header(self):
        contract = self.contract
        kept = [c for c in self.columns if c in contract.fields or contract.undeclared != "drop"]
        meta = ["eventContractRef", "nonce", "timestamp", "keyLink", "billingId", "consentLevels"]
        names = kept + ["strmMeta." + name for name in meta]
        return b",".join(b'"' + name.encode().replace(b'"', b'""') + b'"' for name in names)

    def cells(self, text):
        raws = csv_cells(text)
        assert len(raws) == len(self.columns)
        fields = self.contract.fields
        return [
            CsvCell(name if name in fields else UNDECLARED, name, raw) for name, raw in zip(self.columns, raws)
        ]

    def facts(self, text, cells):
        contract = self.contract
        by_name = {cell.path.decode(): cell for cell in cells}
        consent = by_name.get(contract.consent.get("field"))
        return (
            time_ms(contract.time, by_name[contract.time["field"]].plain.decode()),
            contract.consents(consent.plain if consent is not None and consent.kind != "null" else None),
            by_name[contract.key].plain,
        )

    def link_in(self, line):
        return csv_cells(line)[-3].decode().strip('"')

    def meta(self, ms, link, consents):
        levels = ",".join(map(str, consents))
        return f',"{self.contract.ref}","0","{ms}","{link}",,"[{levels}]"'.encode()

    def render(self, text, cells, choose, meta, actual):
        found = csv_cells(actual)
        out = []
        for cell in cells:
            at = found[len(out)]
            piece = choose(cell, at[1:-1] if at[:1] == b'"' else None)
            if piece is Cut and self.contract.undeclared == "pass":
                piece = None
            if piece is None:
                out.append(cell.raw if cell.raw[:1] in (b'"', b"") else b'"' + cell.raw + b'"')
            elif piece is Null:
                out.append(b"")
            elif isinstance(piece, Value):
                out.append(b'"' + piece.value.encode().replace(b'"', b'""') + b'"')
            elif piece is not Cut:
                out.append(b'"' + piece + b'"')
        return b",".join(out) + meta


class Lines:
    """The lines of a file, one after another."""

    def __init__(self, lines):
        self.lines = lines
        self.at = 0

    def __call__(self):
        self.at += 1
        return self.lines[self.at - 1]

    @property
    def is_through(self):
        return self.at == len(self.lines)


class Null:
    pass


class Cut:
    pass


class Value:
    def __init__(self, value):
        self.value = value
