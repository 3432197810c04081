"""Translates the invariants of the official definitions (HL7 FHIR 4.0.1, CC0) for generate.py: what `mappings::r4::invariants` evaluates."""

import json
import re

INVARIANTS_HEAD = """\
# R4 invariants, from HL7 FHIR 4.0.1 (CC0): those of severity error. Written by generate.py: do not edit.
# key path,path..<tab>FHIRPath<tab>translation   the paths are those of types, backbone elements and elements
# - key                                          one that is not translated, and so not evaluated
"""

# Checked with the structure of every resource, so evaluated nowhere else.
OF_THE_STRUCTURE = {"ele-1", "ext-1", "dom-2", "ref-1", "sqty-1"}


class Untranslated(Exception):
    """The expression is beyond what is translated."""


class Invariant:
    """A translator of the plain part of FHIRPath that most invariants keep to: what exists, what is equal, and how that goes together.

    The result is a list that begins with its operator; a path is a list of names, and of conditions on what was found so far.
    """

    TOKEN = re.compile(r"\s*('(?:[^'\\\\]|\\\\.)*'|[A-Za-z][A-Za-z0-9]*|[0-9]+|!=|<=|>=|[().|=<>%$+,&])")

    def __init__(self, text, types):
        self.tokens, position = [], 0
        while position < len(text.rstrip()):
            match = self.TOKEN.match(text, position)
            if not match:
                raise Untranslated
            self.tokens.append(match.group(1))
            position = match.end()
        self.types = types

    def peek(self):
        return self.tokens[0] if self.tokens else None

    def take(self, *expected):
        if not self.tokens or (expected and self.tokens[0] not in expected):
            raise Untranslated
        return self.tokens.pop(0)

    def whole(self):
        found = self.implies()
        if self.tokens or found[0] in ("path", "literal", "count"):
            raise Untranslated
        return found

    def binary(self, operators, lower):
        left = lower()
        while self.peek() in operators:
            operator, right = self.take(), lower()
            if {left[0], right[0]} & {"path", "literal", "count"}:
                raise Untranslated
            left = [operator, left, right]
        return left

    def implies(self):
        return self.binary(("implies",), self.either)

    def either(self):
        return self.binary(("or", "xor"), self.both)

    def both(self):
        return self.binary(("and",), self.compared)

    def compared(self):
        left = self.sum()
        if self.peek() == "in":
            self.take("in")
            self.take("(")
            values = [self.literal()]
            while self.peek() == "|":
                self.take("|")
                values.append(self.literal())
            self.take(")")
            return ["in", self.path_of(left), values]
        if self.peek() not in ("=", "!=", "<=", ">=", "<", ">"):
            return left
        operator, right = self.take(), self.sum()
        return self.comparison(operator, left, right)

    def comparison(self, operator, left, right):
        if left[0] == "count" and (operator, right) == (">", ["literal", 0]):
            found = [["exists", path] for path in left[1:]]
            whole = found[0]
            for one in found[1:]:
                whole = ["or", whole, one]
            return whole
        if operator in ("=", "!="):
            if left[0] == "path" and right[0] == "literal":
                found = ["is", left[1], right[1]]
            elif not {left[0], right[0]} & {"path", "literal", "count"}:
                found = ["not", ["xor", left, right]]
            else:
                raise Untranslated
            return found if operator == "=" else ["not", found]
        if left[0] == "path" and right[0] in ("path", "literal"):
            return [operator, left[1], right[1]]
        raise Untranslated

    def sum(self):
        left = self.primary()
        while self.peek() == "+":
            self.take("+")
            right = self.primary()
            if left[0] != "count" or right[0] != "count":
                raise Untranslated
            left = left + right[1:]
        return left

    def literal(self):
        token = self.take()
        if token.startswith("'"):
            return token[1:-1]
        if token in ("true", "false"):
            return token == "true"
        if token.isdigit():
            return int(token)
        raise Untranslated

    def primary(self):
        token = self.peek()
        if token == "(":
            self.take("(")
            found = self.implies()
            self.take(")")
        elif token and (token.startswith("'") or token.isdigit() or token in ("true", "false")):
            return ["literal", self.literal()]
        elif token and token[0].isalpha():
            found = self.step(["path", []], self.take())
        else:
            raise Untranslated
        while self.peek() == ".":
            self.take(".")
            found = self.step(found, self.take())
        return found

    def step(self, found, name):
        if self.peek() != "(":
            path = self.path_of(found)
            return found if not path and name in self.types else ["path", path + [name]]
        self.take("(")
        if name == "where":
            condition = self.implies()
            self.take(")")
            return ["path", self.path_of(found) + [condition]]
        self.take(")")
        if name == "not" and found[0] != "path":
            return ["not", found]
        path = self.path_of(found)
        if name == "exists":
            return ["exists", path]
        if name == "empty":
            return ["not", ["exists", path]]
        if name == "hasValue":
            return ["value", path]
        if name == "count":
            return ["count", path]
        raise Untranslated

    def path_of(self, found):
        if found[0] != "path":
            raise Untranslated
        return found[1]


# Not evaluated though they could be: they can never be broken, and would only seem to be checked.
NOT_MEANT = {
    "ppc-2": "its expression compares with a system called 'something'",
    "ppc-3": "its expression compares with a system called 'something'",
    "ppc-4": "its expression compares with a system called 'something'",
    "ppc-5": "its expression compares with a system called 'something'",
}


def write_invariants(definitions, repository):
    found = {}
    for definition in definitions:
        for element in definition["snapshot"]["element"]:
            for constraint in element.get("constraint", []):
                if constraint["severity"] == "error" and constraint["key"] not in OF_THE_STRUCTURE:
                    # The same key stands for different rules on a Task and in Parameters.
                    row = (constraint["key"], constraint["expression"])
                    found.setdefault(row, []).append(element["path"])
    lines, silent = [], set()
    for (key, expression), paths in sorted(found.items()):
        # What a DomainResource is held to is written once.
        named = ["DomainResource"] if "DomainResource" in paths else sorted(set(paths))
        try:
            if key in NOT_MEANT:
                raise Untranslated
            translated = Invariant(expression, {path.split(".")[0] for path in paths}).whole()
        except Untranslated:
            silent.add(key)
            continue
        lines.append(f"{key} {','.join(named)}\t{' '.join(expression.split())}\t{json.dumps(translated)}")
    lines += [f"- {key}" for key in sorted(silent)]
    text = INVARIANTS_HEAD + "\n".join(lines) + "\n"
    (repository / "mappings/tables/invariants.txt").write_text(text, encoding="utf-8")
    print(f"invariants.txt: {len(lines) - len(silent)} invariants, {len(text)} bytes; silent: {' '.join(sorted(silent))}")
