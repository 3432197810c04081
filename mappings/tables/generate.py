"""Writes the tables of R4 facts from the official definitions (HL7 FHIR 4.0.1, CC0).

    WELLGATE_CORPUS=/path/to/data python3 mappings/tables/generate.py

reads `r4-definitions/` in the corpus (by default `../shared/data` beside the repository) and writes

    mappings/tables/structure.txt           what `mappings::r4::structure` checks
    mappings/tables/summary.txt             what it leaves of a resource in a summary
    gateway/tables/compartments.txt         by which parameters a type is in a compartment
    mappings/tables/invariants.txt          what `mappings::r4::invariants` evaluates
    gateway/tables/search-parameters.txt    what `gateway::search` indexes and searches

Each table explains its own form in its first lines. The output is the same for the same input, so a difference in review is a
difference in the facts. What cannot be translated is printed and left out.
"""

import gzip
import json
import os
import re
from pathlib import Path

from invariants import write_invariants
from parts import write_compartments, write_summary
from searching import write_search_parameters

REPOSITORY = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("WELLGATE_CORPUS", REPOSITORY.parent / "shared" / "data"))
DEFINITIONS = CORPUS / "r4-definitions"

STRUCTURE_HEAD = """\
# R4 structure, from the snapshots of HL7 FHIR 4.0.1 (CC0). Written by generate.py: do not edit.
# V name<tab>system code code..<tab>system code..   a value set with a required binding, fully enumerated
# R name : base | C name : base | B path : base      a resource, a complex type, a backbone element
#  element min..max type|type [@value set] [>target,target] [~]
#                                                     '.' is the backbone of this path, '#path' a content reference;
#                                                     '>' the types that a Reference may be to (none: any), '~' a SimpleQuantity
"""

# Targets that R4 does not have and Wellgate takes. R5 has them: a team may have an organisation as its member.
ALSO_TAKEN = {"Group.member.entity": {"Organization"}}


def read_lines(name):
    with gzip.open(DEFINITIONS / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


# ---------------------------------------------------------------------------------------------------- structure


class Element:
    """One element of a node: its cardinality, its types, and the value set of a required binding."""

    def __init__(self, name, minimum, maximum, types, value_set, targets, is_summary):
        self.name, self.minimum, self.maximum = name, minimum, maximum
        self.types, self.value_set, self.targets = types, value_set, targets
        self.is_summary = is_summary
        self.reference_targets, self.is_simple_quantity = [], False

    def narrow(self, element):
        """What the definition says of the types beyond their names."""
        kinds = element.get("type", [])
        targets = {t.split("/")[-1] for k in kinds if k["code"] == "Reference" for t in k.get("targetProfile", [])}
        targets |= ALSO_TAKEN.get(element["path"], set())
        self.reference_targets = [] if "Resource" in targets else sorted(targets)
        self.is_simple_quantity = any(p.endswith("/SimpleQuantity") for k in kinds for p in k.get("profile", []))
        return self

    def narrowed(self):
        words = [">" + ",".join(self.reference_targets)] if self.reference_targets else []
        return "".join(" " + word for word in words + ["~"] * self.is_simple_quantity)

    def variants(self):
        """The names in JSON with their type: one, or one for each type of a choice."""
        if not self.name.endswith("[x]"):
            return [(self.name, kind) for kind in self.types]
        return [(self.name[:-3] + kind[0].upper() + kind[1:], kind) for kind in self.types]


def element_types(element, path, nodes_of_snapshot):
    if "contentReference" in element:
        return [element["contentReference"]]
    types = []
    for kind in element.get("type", []):
        code = kind["code"]
        if code == "http://hl7.org/fhirpath/System.String":
            # The definitions give ids and Extension.url a FHIRPath type, and the ids of resources wrongly as string.
            is_resource_id = path.count(".") == 1 and path.endswith(".id") and path.split(".")[0] in RESOURCES
            code = "id" if is_resource_id else "uri" if path == "Extension.url" else "string"
        types.append("." if path in nodes_of_snapshot else code)
    return list(dict.fromkeys(types))


def read_nodes(definitions):
    """Every node (type or backbone element) with the elements that it adds to its base."""
    nodes, kinds = {}, {}
    for definition in definitions:
        elements = definition["snapshot"]["element"]
        paths = [element["path"] for element in elements]
        parents = {path.rsplit(".", 1)[0] for path in paths if "." in path}
        for element in elements:
            path = element["path"]
            if path in parents or "." not in path:
                if path not in nodes:
                    nodes[path] = []
                    if "." not in path:
                        base = definition.get("baseDefinition", "").split("/")[-1]
                        kinds[path] = ("R" if definition["kind"] == "resource" else "C", base)
                    else:
                        kinds[path] = ("B", element["type"][0]["code"])
            if "." not in path:
                continue
            binding = element.get("binding", {})
            required = binding.get("strength") == "required"
            targets = sorted(
                {
                    profile.split("/")[-1]
                    for kind in element.get("type", [])
                    if kind["code"] in ("Reference", "canonical")
                    for profile in kind.get("targetProfile", [])
                }
            )
            nodes[path.rsplit(".", 1)[0]].append(
                Element(
                    path.rsplit(".", 1)[1],
                    element["min"],
                    element["max"],
                    element_types(element, path, parents),
                    binding.get("valueSet") if required else None,
                    targets,
                    element.get("isSummary", False),
                ).narrow(element)
            )
    return nodes, kinds


def concepts(items):
    for item in items:
        yield item["code"]
        yield from concepts(item.get("concept", []))


def expand(url, by_url):
    """The codes of a value set by system, or None where the definitions do not enumerate it."""
    value_set = by_url.get(url.split("|")[0])
    if value_set is None:
        return None
    found = {}
    compose = value_set["compose"]
    if compose.get("exclude"):
        return None
    for include in compose["include"]:
        system = by_url.get(include.get("system"))
        if include.get("filter") or include.get("valueSet"):
            return None
        if include.get("concept"):
            codes = [concept["code"] for concept in include["concept"]]
        elif system is not None and system.get("content") == "complete":
            codes = list(concepts(system["concept"]))
        else:
            return None
        found.setdefault(include["system"], []).extend(codes)
    return found


def write_structure(nodes, kinds, by_url):
    used = sorted({e.value_set for elements in nodes.values() for e in elements if e.value_set})
    names, lines, left_out = {}, [], []
    for url in used:
        expansion = expand(url, by_url)
        if expansion is None:
            left_out.append(url)
            continue
        name = url.split("|")[0].rsplit("/", 1)[1]
        assert name not in names.values(), name
        names[url] = name
        groups = ["V " + name]
        for system, codes in expansion.items():
            assert not any(re.search(r"\s", code) for code in codes), url
            groups.append(" ".join([system, *dict.fromkeys(codes)]))
        lines.append("\t".join(groups))
    for path in sorted(nodes):
        letter, base = kinds[path]
        lines.append(f"{letter} {path} : {base}".rstrip(" :"))
        inherited = {element.name for element in inherited_elements(base, nodes, kinds)}
        for element in nodes[path]:
            # 'Resource.id' is inherited as it is; a type that narrows what it inherits does not occur in R4.
            if element.name in inherited:
                continue
            line = f" {element.name} {element.minimum}..{element.maximum} {'|'.join(element.types)}"
            line += f" @{names[element.value_set]}" if element.value_set in names else ""
            lines.append(line + element.narrowed())
    text = STRUCTURE_HEAD + "\n".join(lines) + "\n"
    (REPOSITORY / "mappings/tables/structure.txt").write_text(text, encoding="utf-8")
    print(f"structure.txt: {len(nodes)} nodes, {len(names)} value sets, {len(text)} bytes")
    for url in left_out:
        print(f"  required binding not enumerated by the definitions, so not checked: {url}")


def inherited_elements(base, nodes, kinds):
    while base:
        yield from nodes[base]
        base = kinds[base][1]


definitions = [
    definition
    for definition in read_lines("structuredefinitions.ndjson.gz")
    if definition["kind"] in ("resource", "complex-type") and definition.get("derivation") != "constraint"
]
RESOURCES = {definition["id"] for definition in definitions if definition["kind"] == "resource"}

if __name__ == "__main__":
    node_table, node_kinds = read_nodes(definitions)
    canonical = {item["url"]: item for item in read_lines("valuesets-codesystems.ndjson.gz")}
    write_structure(node_table, node_kinds, canonical)
    write_summary(REPOSITORY, RESOURCES, node_table, node_kinds)
    write_invariants(definitions, REPOSITORY)
    with gzip.open(DEFINITIONS / "search-parameters.json.gz", "rt", encoding="utf-8") as bundle:
        entries = json.load(bundle)["entry"]
    search_parameters = [entry["resource"] for entry in entries]
    write_search_parameters(REPOSITORY, search_parameters, node_table, node_kinds)
    official = read_lines("operations-compartments.ndjson.gz")
    official = [one for one in official if one["resourceType"] == "CompartmentDefinition" and one["id"] != "example"]
    write_compartments(REPOSITORY, official, search_parameters)
