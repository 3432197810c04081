"""The invariants of the official definitions (HL7 FHIR 4.0.1, CC0), for generate.py: what `mappings::r4::invariants` evaluates."""

INVARIANTS_HEAD = """\
# R4 invariants, from HL7 FHIR 4.0.1 (CC0): those of severity error. Written by generate.py: do not edit.
# key path,path..<tab>FHIRPath   the paths are those of types, backbone elements and elements
# - key                          one that is not evaluated
"""

# Checked with the structure of every resource, so evaluated nowhere else.
OF_THE_STRUCTURE = {"ele-1", "ext-1", "dom-2", "ref-1", "sqty-1"}


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
    lines = []
    for (key, expression), paths in sorted(found.items()):
        if key in NOT_MEANT:
            continue
        # What a DomainResource is held to is written once.
        named = ["DomainResource"] if "DomainResource" in paths else sorted(set(paths))
        lines.append(f"{key} {','.join(named)}\t{' '.join(expression.split())}")
    lines += [f"- {key}" for key in sorted(NOT_MEANT)]
    text = INVARIANTS_HEAD + "\n".join(lines) + "\n"
    (repository / "mappings/tables/invariants.txt").write_text(text, encoding="utf-8")
    print(f"invariants.txt: {len(lines) - len(NOT_MEANT)} invariants, {len(text)} bytes")
