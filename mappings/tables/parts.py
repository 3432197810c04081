"""Writes the tables of summaries and of compartments, for generate.py."""

SUMMARY_HEAD = """\
# What a summary keeps, from the isSummary flags of HL7 FHIR 4.0.1 (CC0). Written by generate.py: do not edit.
# node element..    the elements that are kept of a type or backbone element, beside those that every summary keeps and those
#                   that must be there. A choice is spelt as it is defined (value[x]). A node that has no line is kept whole.
"""

COMPARTMENTS_HEAD = """\
# The compartments of R4, from HL7 FHIR 4.0.1 (CC0). Written by generate.py: do not edit.
# C type                  the compartments of this type
#  type parameter..       a resource of this type is in one by any of these. '{def}' is the resource itself.
"""

# What every summary keeps: to lose a modifier would change the meaning of the rest.
ALWAYS_KEPT = {"id", "meta", "implicitRules", "modifierExtension"}


def child_node(path, element, kind):
    return f"{path}.{element.name}" if kind == "." else kind.lstrip("#")


def write_summary(repository, resources, nodes, kinds):
    lines, waiting, met = {}, sorted(resources - {"Resource", "DomainResource"}), set()
    while waiting:
        path = waiting.pop()
        # What is kept of an extension is all of it.
        if path in met or path not in nodes or path == "Extension":
            continue
        met.add(path)
        # A part of a data type is kept with its extensions, as the part of a primitive is.
        kept_beside = ALWAYS_KEPT | ({"extension"} if kinds[path][0] == "C" else set())
        elements = [element for element in nodes[path] if element.name not in kept_beside]
        kept = [element for element in elements if element.is_summary]
        if len(kept) < len(elements):
            lines[path] = " ".join([path, *(element.name for element in kept)])
        for element in elements:
            if element.is_summary or element.minimum > 0:
                waiting.extend(child_node(path, element, kind) for kind in element.types)
    text = SUMMARY_HEAD + "".join(lines[path] + "\n" for path in sorted(lines))
    (repository / "mappings/tables/summary.txt").write_text(text, encoding="utf-8")
    print(f"summary.txt: {len(lines)} nodes, {len(text)} bytes")


def write_compartments(repository, compartments, parameters):
    references = {
        (base, parameter["code"])
        for parameter in parameters
        if parameter["type"] == "reference"
        for base in parameter["base"]
    }
    lines = []
    for compartment in sorted(compartments, key=lambda compartment: compartment["code"]):
        lines.append("C " + compartment["code"])
        for resource in compartment["resource"]:
            names = resource.get("param", [])
            kept = [name for name in names if name == "{def}" or (resource["code"], name) in references]
            for name in sorted(set(names) - set(kept)):
                print(f"  no reference parameter, so not in the compartment of a {compartment['code']}: {resource['code']}.{name}")
            if kept:
                lines.append(" ".join(["", resource["code"], *kept]))
    text = COMPARTMENTS_HEAD + "\n".join(lines) + "\n"
    (repository / "gateway/tables/compartments.txt").write_text(text, encoding="utf-8")
    print(f"compartments.txt: {len(text)} bytes")
