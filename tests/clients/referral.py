"""A referral played by fhirpy, which knows FHIR and nothing of Wellgate: python3 referral.py SANDBOX_ROOT"""

import json
import sys
import urllib.parse
import urllib.request

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound
from fhirpy.base.lib_sync import ForbiddenError

root = sys.argv[1]
with urllib.request.urlopen(f"{root}/sandbox") as answer:
    sandbox = json.load(answer)


def of_kind(kind):
    return [organization for organization in sandbox["organizations"] if organization["kind"] == kind]


def client_of(organization, **headers):
    """A client of an organisation, with a token of the sandbox."""
    form = urllib.parse.urlencode({"client_id": organization["clientId"]}).encode()
    with urllib.request.urlopen(sandbox["tokenUrl"], form) as answer:
        token = json.load(answer)["access_token"]
    return SyncFHIRClient(sandbox["fhirBase"], authorization=f"Bearer {token}", extra_headers=headers)


def refused(error, request):
    """What a request was refused with, as text."""
    try:
        request()
    except error as refusal:
        return str(refusal)
    raise AssertionError("this should have been refused")


sender = of_kind("edpbw")[0]
practice, other = of_kind("elp")[:2]
pool = practice["pools"][0]
edpbw, elp = client_of(sender), client_of(practice)
assert edpbw.execute("metadata", method="get")["fhirVersion"] == "4.0.1"

patient = edpbw.resource(
    "Patient",
    identifier=[{"system": "https://ehr.example/patient", "value": "TEST-PYTHON"}],
    name=[{"family": "Testpersoon", "given": ["Ann"]}],
    birthDate="1990-06-15",
    address=[{"postalCode": "9000"}],
)
patient.save()
assert patient.id
order = {
    "resourceType": "ServiceRequest",
    "status": "active",
    "intent": "order",
    "subject": {"reference": f"Patient/{patient.id}"},
    "performer": [{"reference": f"HealthcareService/{pool}"}],
}
told = json.loads(refused(ForbiddenError, lambda: edpbw.execute("ServiceRequest", data=order)))
assert told["issue"][0]["details"]["coding"][0]["code"] == "no-consent", told

recipient = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
consent = edpbw.resource(
    "Consent",
    status="active",
    scope={"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
    category=[{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
    patient={"reference": f"Patient/{patient.id}"},
    policyRule={"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
    provision={
        "type": "permit",
        "actor": [
            {"role": recipient, "reference": {"reference": f"Organization/{organization['id']}"}}
            for organization in (practice, other)
        ],
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
    },
)
consent.save()
# Who places it does not see the record while it waits: there is no body.
assert edpbw.execute("ServiceRequest", data=order) is None
refused(ResourceNotFound, lambda: edpbw.get("Patient", patient.id))

waiting = elp.resources("Task").search(status="requested", owner=f"HealthcareService/{pool}").fetch_all()
assert len(waiting) == 1, waiting
task = waiting[0]
assert "for" not in task
accepted = {**json.loads(json.dumps(task.serialize())), "status": "accepted"}
version = {"If-Match": f'W/"{task["meta"]["versionId"]}"'}
refused(OperationOutcome, lambda: elp.execute(f"Task/{task.id}", method="put", data=accepted))
picked = client_of(practice, **version).execute(f"Task/{task.id}", method="put", data=accepted)
assert picked["owner"]["reference"] == f"Organization/{practice['id']}"
late = client_of(other, **version)
refused(MultipleResourcesFound, lambda: late.execute(f"Task/{task.id}", method="put", data=accepted))

dossier = elp.reference(reference=picked["for"]["reference"]).to_resource()
assert dossier["name"][0]["family"] == "Testpersoon"
for day in ("02", "03", "04"):
    elp.resource(
        "Encounter",
        status="finished",
        **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"}},
        subject=picked["for"],
        period={"start": f"2026-03-{day}T09:00:00+01:00"},
    ).save()
contacts = elp.resources("Encounter").search(patient=patient.id).sort("date").limit(2)
assert [contact["period"]["start"][8:10] for contact in contacts] == ["02", "03", "04"]
print("played")
