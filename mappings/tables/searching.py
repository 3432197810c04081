"""The search parameters that the gateway indexes, from the official ones: their expressions as steps into JSON."""

import re

SEARCH_HEAD = """\
# R4 search parameters, from HL7 FHIR 4.0.1 (CC0). Written by generate.py: do not edit.
# T resource type ('Resource': the parameters that every type has)
#  code type path|path [targets]
#  code composite component$component               parameters of the type; they are held to one element
# path: steps joined by '.', then ':' and the type of what is found there. A choice is spelt as in JSON (onsetDateTime).
# {system=phone} keeps the items with that value, {Patient} the references to that type. Targets: none is any type.
"""

# The types of the element that each search type can index. What is special is not served.
INDEXED = {
    "token": {"Coding", "CodeableConcept", "Identifier", "ContactPoint", "code", "boolean", "string", "id", "uri"},
    "reference": {"Reference", "canonical", "uri"},
    "date": {"date", "dateTime", "instant", "Period", "Timing"},
    "string": {"string", "markdown", "HumanName", "Address"},
    "uri": {"uri", "url", "canonical", "oid", "uuid"},
    "number": {"integer", "positiveInt", "unsignedInt", "decimal"},
    "quantity": {"Quantity", "SimpleQuantity", "Age", "Count", "Distance", "Duration", "Money", "Range"},
}

# A course of measurements is no quantity that one is sought by.
NO_QUANTITY = "as SampledData"

# Answered by the store itself, from columns and not from index rows.
OF_THE_STORE = {"_id", "_lastUpdated"}

# A search by sound is not what a row of text can answer, and answering by prefix would be another search.
NOT_SERVED = {"phonetic"}

# Paths beside those of the official expression. Whom a Consent names is searched at every level: an exception names somebody too.
WIDENED = {("Consent", "actor"): ["Consent.provision.provision.actor.reference"]}


class Untranslated(Exception):
    """The expression is beyond the steps that the gateway's index knows."""


class Place:
    """What a part of an expression reaches: the steps in JSON, the type found there, and the targets of a reference."""

    def __init__(self, steps, kind, targets=(), node=None):
        self.steps, self.kind, self.targets, self.node = steps, kind, tuple(targets), node


TOKEN = re.compile(r"\s*(?:('[^']*')|([A-Za-z][A-Za-z0-9]*)|([().|=]))")


def tokens_of(expression):
    position, found = 0, []
    while position < len(expression.rstrip()):
        match = TOKEN.match(expression, position)
        if not match:
            raise Untranslated
        found.append(match.group(0).strip())
        position = match.end()
    return found


class Expression:
    """A reader for the little of FHIRPath that the official search parameters use."""

    def __init__(self, text, nodes, kinds):
        self.tokens, self.nodes, self.kinds = tokens_of(text), nodes, kinds

    def peek(self):
        return self.tokens[0] if self.tokens else None

    def take(self, *expected):
        if not self.tokens or (expected and self.tokens[0] not in expected):
            raise Untranslated
        return self.tokens.pop(0)

    def union(self):
        places = self.cast()
        while self.peek() == "|":
            self.take("|")
            places = places + self.cast()
        return places

    def cast(self):
        places = self.path()
        if self.peek() == "as":
            self.take("as")
            places = narrow(places, self.take())
        return places

    def path(self):
        if self.peek() == "(":
            self.take("(")
            places = self.union()
            self.take(")")
        else:
            name = self.take()
            places = [Place((), name, node=name)]
        while self.peek() == ".":
            self.take(".")
            places = self.step(places, self.take())
        return places

    def step(self, places, name):
        if name in ("as", "ofType"):
            self.take("(")
            places = narrow(places, self.take())
            self.take(")")
            return places
        if name == "where":
            return self.where(places)
        if self.peek() == "(":
            raise Untranslated
        return [found for place in places for found in self.child(place, name)]

    def where(self, places):
        self.take("(")
        name = self.take()
        if name == "resolve":
            self.take("("), self.take(")"), self.take("is")
            target = self.take()
            self.take(")")
            return [Place(with_filter(p.steps, target), p.kind, [target], p.node) for p in places]
        self.take("=")
        value = self.take().strip("'")
        self.take(")")
        return [Place(with_filter(p.steps, f"{name}={value}"), p.kind, p.targets, p.node) for p in places]

    def child(self, place, name):
        node = place.node
        while node:
            for element in self.nodes.get(node, []):
                if element.name in (name, name + "[x]"):
                    return [self.place(place, node, element, *variant) for variant in element.variants()]
            node = self.kinds[node][1] if node in self.kinds else None
        if place.kind in self.kinds and self.kinds[place.kind][0] == "R" and not place.steps:
            raise Untranslated(name)
        return []

    def place(self, place, node, element, name, kind):
        if kind == ".":
            found = f"{node}.{element.name}"
        elif kind.startswith("#"):
            found = kind[1:]
        else:
            found = kind
        return Place((*place.steps, name), kind, element.targets, found)


def narrow(places, kind):
    return [place for place in places if place.kind == kind]


def with_filter(steps, text):
    if not steps:
        raise Untranslated
    return (*steps[:-1], steps[-1] + "{" + text + "}")


def targets_of(parameter, places):
    """The types that the reference may have: what the parameter says, narrowed by the element. Empty is any."""
    declared = set(parameter.get("target", []))
    allowed = {target for place in places for target in place.targets}
    if "Resource" in allowed or any(not place.targets for place in places):
        allowed = declared
    found = sorted(declared & allowed if declared & allowed else declared or allowed)
    return [] if len(found) > 100 else found


def translate(sides, kind, nodes, kinds):
    """The places that the sides reach and the search type can index; a side that reaches none makes it all untranslated."""
    found = []
    for side in sides:
        places = [place for place in Expression(side, nodes, kinds).union() if place.kind in INDEXED[kind]]
        if not places:
            raise Untranslated
        found.extend(places)
    return found


def alternatives(expression):
    """The sides of the outermost unions."""
    depth, start, sides = 0, 0, []
    for position, letter in enumerate(expression):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            sides.append(expression[start:position])
            start = position + 1
    return [side.strip() for side in [*sides, expression[start:]]]


def write_search_parameters(repository, parameters, nodes, kinds):
    rows, untranslated, not_served = {}, [], {}
    for parameter in parameters:
        code, kind = parameter["code"], parameter["type"]
        if code in OF_THE_STORE | NOT_SERVED or kind == "composite":
            continue
        if kind not in INDEXED:
            not_served[kind] = not_served.get(kind, 0) + 1
            continue
        for base in parameter["base"]:
            sides = [
                side
                for side in alternatives(parameter.get("expression", ""))
                if re.match(rf"\(*{base}\.", side) and NO_QUANTITY not in side
            ]
            try:
                sides += WIDENED.get((base, code), [])
                if not sides or " and " in parameter["expression"]:
                    raise Untranslated
                found = translate(sides, kind, nodes, kinds)
            except Untranslated:
                found = []
            if not found:
                untranslated.append(f"{base}.{code} ({kind}): {parameter.get('expression', 'no expression')}")
                continue
            paths = dict.fromkeys(".".join(place.steps) + ":" + place.kind for place in found)
            targets = ",".join(targets_of(parameter, found)) if kind == "reference" else ""
            rows.setdefault(base, {})[code] = f" {code} {kind} {'|'.join(paths)} {targets}".rstrip()
    untranslated += write_composites(parameters, rows)
    lines = []
    for base in sorted(rows, key=lambda base: (base != "Resource", base)):
        lines.append("T " + base)
        lines.extend(rows[base][code] for code in sorted(rows[base]))
    text = SEARCH_HEAD + "\n".join(lines) + "\n"
    (repository / "gateway/tables/search-parameters.txt").write_text(text, encoding="utf-8")
    count = sum(len(row) for row in rows.values())
    print(f"search-parameters.txt: {len(rows)} types, {count} parameters, {len(text)} bytes")
    print(f"  search types not served: {not_served}")
    for line in sorted(untranslated):
        print(f"  not translated: {line}")


def write_composites(parameters, rows):
    """Adds the composites whose components are parameters of the same type below the element that they are held to; answers the
    others."""
    by_url, left_out = {parameter["url"]: parameter["code"] for parameter in parameters}, []
    for parameter in parameters:
        if parameter["type"] != "composite":
            continue
        codes = [by_url.get(component["definition"]) for component in parameter["component"]]
        for base in parameter["base"]:
            elements = [side.removeprefix(base).lstrip(".") for side in alternatives(parameter["expression"])
                        if side == base or side.startswith(base + ".")]
            of_base = rows.get(base, {})
            paths = [of_base[code].split(" ")[3].split("|") if code in of_base else [] for code in codes]
            is_below = all(
                any(path.startswith(element) for path in of_component)
                for of_component in paths for element in elements
            )
            if elements and is_below and not any("%" in c["expression"] for c in parameter["component"]):
                of_base[parameter["code"]] = f" {parameter['code']} composite {'$'.join(codes)}"
            else:
                left_out.append(f"{base}.{parameter['code']} (composite): {parameter['expression']}")
    return left_out
