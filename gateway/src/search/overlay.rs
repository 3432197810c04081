//! How each resource type belongs: to the record of a patient, to the organisation that wrote it, or to the directory.
//!
//! The official Patient compartment has no Task and no Binary, and four parameters for Coverage. So a type names here the one
//! element that owns it. A type without an entry is unreadable: the gateway does not guess.

use serde_json::Value;

use super::parameters::parameter;
use super::path::Path;
use super::query::{Criterion, Values};

/// How a resource type belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// It is the record: Patient.
    IsRecord,
    /// To the record of the Patient that this element references. Where it may also reference others, only a Patient makes
    /// an owner; without one the resource has no record.
    Record(&'static str),
    /// To the record of the resource that this element references, or to that Patient.
    Through(&'static str),
    /// To the organisation that wrote it, and to nobody else.
    Own,
    /// To the directory: providers, places, terminology and definitions, which are about no person.
    Directory,
}

/// The types that the gateway serves unless configured otherwise.
pub const SERVED_TYPES: [&str; 31] = [
    "Patient",
    "RelatedPerson",
    "Consent",
    "ServiceRequest",
    "Task",
    "Encounter",
    "EpisodeOfCare",
    "CareTeam",
    "Group",
    "Condition",
    "Observation",
    "Questionnaire",
    "QuestionnaireResponse",
    "DocumentReference",
    "Binary",
    "Communication",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "Claim",
    "ClaimResponse",
    "Organization",
    "OrganizationAffiliation",
    "Practitioner",
    "PractitionerRole",
    "HealthcareService",
    "Location",
    "Endpoint",
    "Subscription",
    "AuditEvent",
    "Provenance",
];

/// How this type belongs; nothing for a type that is unreadable.
#[rustfmt::skip]
pub fn belongs(resource_type: &str) -> Option<Belongs> {
    Some(match resource_type {
        "Patient" => Belongs::IsRecord,

        "AdverseEvent" | "Account" | "Basic" | "CarePlan" | "CareTeam" | "ChargeItem" | "ClinicalImpression" | "Communication"
        | "CommunicationRequest" | "Composition" | "Condition" | "Contract" | "DeviceRequest" | "DeviceUseStatement"
        | "DiagnosticReport" | "DocumentManifest" | "DocumentReference" | "Encounter" | "Flag" | "Goal" | "GuidanceResponse"
        | "ImagingStudy" | "Invoice" | "List" | "MeasureReport" | "Media" | "MedicationAdministration"
        | "MedicationDispense" | "MedicationRequest" | "MedicationStatement" | "Observation" | "Procedure"
        | "QuestionnaireResponse" | "RequestGroup" | "RiskAssessment" | "ServiceRequest" | "Specimen" => {
            Belongs::Record("subject")
        }
        "AllergyIntolerance" | "BodyStructure" | "Claim" | "ClaimResponse" | "Consent" | "CoverageEligibilityRequest"
        | "CoverageEligibilityResponse" | "DetectedIssue" | "Device" | "EpisodeOfCare" | "ExplanationOfBenefit"
        | "FamilyMemberHistory" | "Immunization" | "ImmunizationEvaluation" | "ImmunizationRecommendation"
        | "MolecularSequence" | "NutritionOrder" | "RelatedPerson" | "SupplyDelivery" | "VisionPrescription" => {
            Belongs::Record("patient")
        }
        "Task" => Belongs::Record("for"),
        "Coverage" => Belongs::Record("beneficiary"),
        "EnrollmentRequest" => Belongs::Record("candidate"),
        "ResearchSubject" => Belongs::Record("individual"),
        "SupplyRequest" => Belongs::Record("deliverTo"),
        "Appointment" => Belongs::Record("participant.actor"),
        "AppointmentResponse" => Belongs::Record("actor"),

        "Binary" => Belongs::Through("securityContext"),
        "Provenance" => Belongs::Through("target"),
        "EnrollmentResponse" => Belongs::Through("request"),
        "DeviceMetric" => Belongs::Through("source"),

        // A Group is the organisation's own list of people; a Subscription says what it watches.
        "Group" | "Subscription" | "Linkage" | "PaymentNotice" | "PaymentReconciliation" | "ResearchStudy" | "TestReport"
        | "VerificationResult" => Belongs::Own,

        "Endpoint" | "HealthcareService" | "InsurancePlan" | "Location" | "Organization" | "OrganizationAffiliation"
        | "Practitioner" | "PractitionerRole" | "Schedule" | "Slot"
        | "CatalogEntry" | "DeviceDefinition" | "Medication" | "MedicationKnowledge" | "MedicinalProduct"
        | "MedicinalProductAuthorization" | "MedicinalProductContraindication" | "MedicinalProductIndication"
        | "MedicinalProductIngredient" | "MedicinalProductInteraction" | "MedicinalProductManufactured"
        | "MedicinalProductPackaged" | "MedicinalProductPharmaceutical" | "MedicinalProductUndesirableEffect"
        | "Substance" | "SubstanceNucleicAcid" | "SubstancePolymer" | "SubstanceProtein"
        | "SubstanceReferenceInformation" | "SubstanceSourceMaterial" | "SubstanceSpecification"
        | "CodeSystem" | "ConceptMap" | "NamingSystem" | "TerminologyCapabilities" | "ValueSet"
        | "ActivityDefinition" | "CapabilityStatement" | "ChargeItemDefinition" | "CompartmentDefinition"
        | "EffectEvidenceSynthesis" | "EventDefinition" | "Evidence" | "EvidenceVariable" | "ExampleScenario"
        | "GraphDefinition" | "ImplementationGuide" | "Library" | "Measure" | "MessageDefinition"
        | "ObservationDefinition" | "OperationDefinition" | "PlanDefinition" | "Questionnaire" | "ResearchDefinition"
        | "ResearchElementDefinition" | "RiskEvidenceSynthesis" | "SearchParameter" | "SpecimenDefinition"
        | "StructureDefinition" | "StructureMap" | "TestScript" => Belongs::Directory,

        // AuditEvent: the gateway writes and shows it itself, by rules of its own.
        // Person: it joins records of several organisations, which nobody may see as such.
        // Bundle, MessageHeader, OperationOutcome, Parameters: sent, never stored.
        // BiologicallyDerivedProduct: it names no person, and is about one.
        _ => return None,
    })
}

/// The literal references at the element that owns a resource of this type, each once, as they are written.
/// Empty for a type that no element owns. The caller refuses a resource that names two persons.
pub fn owner_references(resource_type: &str, resource: &Value) -> Vec<String> {
    let Some(Belongs::Record(path) | Belongs::Through(path)) = belongs(resource_type) else {
        return Vec::new();
    };
    let mut references: Vec<String> = Vec::new();
    Path::read(path).visit(resource, &mut |found, _| {
        let literal = found.get("reference").and_then(Value::as_str);
        if let Some(literal) = literal.filter(|literal| references.iter().all(|known| known != literal)) {
            references.push(literal.to_owned());
        }
    });
    references
}

/// The record in which all lies that a criterion finds, where it names one: it asks for a Patient at the very element that owns
/// resources of the type. A Task may be kept beside the record that it is about, and so is in none for certain.
pub fn record_of<'q>(resource_type: &str, criterion: &'q Criterion) -> Option<&'q str> {
    let Some(Belongs::Record(owner)) = belongs(resource_type).filter(|_| resource_type != "Task") else { return None };
    let Values::Reference(values) = &criterion.values else { return None };
    let [value] = values.as_slice() else { return None };
    let parameter = parameter(resource_type, criterion.parameter)?;
    let owner = Path::read(owner);
    let is_of_owner = !parameter.paths.is_empty() && parameter.paths.iter().all(|path| path.is_at(&owner));
    value.strip_prefix("Patient/").filter(|_| is_of_owner)
}

#[cfg(test)]
mod tests {
    use mappings::r4::structure::{is_element, is_resource_type, resource_types};
    use serde_json::json;

    use super::{Belongs, Criterion, SERVED_TYPES, Values, belongs, owner_references, record_of};

    #[test]
    fn a_search_names_a_record_by_the_element_that_owns_only() {
        let record = |resource_type: &str, parameter: &'static str, values: &[&str]| {
            let values = Values::Reference(values.iter().map(|value| (*value).to_owned()).collect());
            record_of(resource_type, &Criterion { parameter, values }).map(str::to_owned)
        };
        for (resource_type, parameter) in [
            ("Observation", "patient"),
            ("Observation", "subject"),
            ("Coverage", "beneficiary"),
            ("Coverage", "patient"),
            ("Consent", "patient"),
            ("Appointment", "patient"),
        ] {
            assert_eq!(record(resource_type, parameter, &["Patient/p"]).as_deref(), Some("p"), "{resource_type}");
            assert_eq!(record(resource_type, parameter, &["Group/g"]), None, "{resource_type}");
            assert_eq!(record(resource_type, parameter, &["Patient/p", "Patient/q"]), None, "{resource_type}");
        }
        // What a Task is about may be another's, and others who are named own nothing.
        for (resource_type, parameter) in [
            ("Task", "patient"),
            ("Task", "subject"),
            ("Observation", "performer"),
            ("Coverage", "subscriber"),
            ("Group", "member"),
            ("Provenance", "target"),
            ("Patient", "link"),
        ] {
            assert_eq!(record(resource_type, parameter, &["Patient/p"]), None, "{resource_type}");
        }
        let values = Values::None(Box::new(Values::Reference(vec!["Patient/p".to_owned()])));
        assert_eq!(
            record_of("Observation", &Criterion { parameter: "patient", values }),
            None,
            "it asks for the others"
        );
    }

    #[test]
    fn the_types_without_an_entry_are_these() {
        let without: Vec<_> = resource_types().filter(|resource_type| belongs(resource_type).is_none()).collect();
        assert_eq!(
            without,
            [
                "AuditEvent",
                "BiologicallyDerivedProduct",
                "Bundle",
                "MessageHeader",
                "OperationOutcome",
                "Parameters",
                "Person"
            ]
        );
    }

    #[test]
    fn every_owning_element_is_a_reference() {
        for resource_type in resource_types() {
            if let Some(Belongs::Record(path) | Belongs::Through(path)) = belongs(resource_type) {
                assert!(is_element(&format!("{resource_type}.{path}.reference")), "{resource_type}.{path}");
            }
        }
    }

    #[test]
    fn what_is_served_exists_and_belongs() {
        for resource_type in SERVED_TYPES {
            assert!(is_resource_type(resource_type), "{resource_type}");
            assert!(resource_type == "AuditEvent" || belongs(resource_type).is_some(), "{resource_type}");
        }
    }

    #[test]
    fn owner_references_are_those_at_the_owning_element_only() {
        let task = json!({ "for": { "reference": "Patient/1" }, "focus": { "reference": "ServiceRequest/2" } });
        assert_eq!(owner_references("Task", &task), ["Patient/1"]);
        let appointment = json!({ "participant": [{ "actor": { "reference": "Patient/1" } }, { "actor": { "display": "x" } },
            { "actor": { "reference": "Patient/2" } }, { "actor": { "reference": "Patient/1" } }] });
        assert_eq!(owner_references("Appointment", &appointment), ["Patient/1", "Patient/2"]);
        assert_eq!(owner_references("Location", &task), Vec::<String>::new());
    }
}
