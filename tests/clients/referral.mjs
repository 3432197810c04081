// A referral played by fhir-kit-client, which knows FHIR and nothing of Wellgate: node referral.mjs SANDBOX_ROOT
import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';

const root = process.argv[2];
const sandbox = await (await fetch(`${root}/sandbox`)).json();

const byKind = (kind) => sandbox.organizations.filter((organization) => organization.kind === kind);

/** A client of an organisation, with a token of the sandbox. */
async function clientOf(organization) {
  const form = new URLSearchParams({ client_id: organization.clientId });
  const answer = await (await fetch(sandbox.tokenUrl, { method: 'POST', body: form })).json();
  return new Client({ baseUrl: sandbox.fhirBase, bearerToken: answer.access_token });
}

/** What a request was refused with. */
async function refusal(request) {
  try {
    await request;
  } catch (error) {
    return { status: error.response.status, outcome: error.response.data };
  }
  return assert.fail('this should have been refused');
}

const [sender] = byKind('edpbw');
const [practice, other] = byKind('elp');
const pool = practice.pools[0];
const edpbw = await clientOf(sender);
const elp = await clientOf(practice);
const loser = await clientOf(other);

const statement = await edpbw.capabilityStatement();
assert.equal(statement.fhirVersion, '4.0.1');

const patient = await edpbw.create({
  resourceType: 'Patient',
  body: {
    resourceType: 'Patient',
    identifier: [{ system: 'https://ehr.example/patient', value: 'TEST-JS' }],
    name: [{ family: 'Testpersoon', given: ['Ann'] }],
    birthDate: '1990-06-15',
    address: [{ postalCode: '9000' }],
  },
});
const order = {
  resourceType: 'ServiceRequest',
  status: 'active',
  intent: 'order',
  subject: { reference: `Patient/${patient.id}` },
  performer: [{ reference: `HealthcareService/${pool}` }],
};
const refused = await refusal(edpbw.create({ resourceType: 'ServiceRequest', body: order }));
assert.equal(refused.status, 403);
assert.equal(refused.outcome.issue[0].details.coding[0].code, 'no-consent');

await edpbw.create({
  resourceType: 'Consent',
  body: {
    resourceType: 'Consent',
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${patient.id}` },
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    provision: {
      type: 'permit',
      actor: [practice, other].map((organization) => ({
        role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
        reference: { reference: `Organization/${organization.id}` },
      })),
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }],
    },
  },
});
const placed = await edpbw.create({ resourceType: 'ServiceRequest', body: order, options: { headers: { Prefer: 'return=minimal' } } });
assert.equal(Client.httpFor(placed).response.status, 201);
assert.equal((await refusal(edpbw.read({ resourceType: 'Patient', id: patient.id }))).status, 404);

const waiting = await elp.search({ resourceType: 'Task', searchParams: { status: 'requested', owner: `HealthcareService/${pool}` } });
assert.equal(waiting.entry.length, 1);
const task = waiting.entry[0].resource;
assert.equal(task.for, undefined);

const accepted = { ...task, status: 'accepted' };
const ifMatch = { headers: { 'If-Match': `W/"${task.meta.versionId}"` } };
assert.equal((await refusal(elp.update({ resourceType: 'Task', id: task.id, body: accepted }))).status, 428);
const picked = await elp.update({ resourceType: 'Task', id: task.id, body: accepted, options: ifMatch });
assert.equal(picked.owner.reference, `Organization/${practice.id}`);
assert.equal((await refusal(loser.update({ resourceType: 'Task', id: task.id, body: accepted, options: ifMatch }))).status, 412);

const dossier = await elp.resolve({ reference: picked.for.reference });
assert.equal(dossier.name[0].family, 'Testpersoon');
assert.equal((await elp.resolve({ reference: picked.focus.reference })).resourceType, 'ServiceRequest');

for (const day of ['02', '03', '04']) {
  await elp.create({
    resourceType: 'Encounter',
    body: {
      resourceType: 'Encounter',
      status: 'finished',
      class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'VR' },
      subject: picked.for,
      period: { start: `2026-03-${day}T09:00:00+01:00` },
    },
  });
}
let page = await elp.search({ resourceType: 'Encounter', searchParams: { patient: patient.id, _count: 2, _sort: 'date' } });
const days = [];
while (page) {
  days.push(...page.entry.map((entry) => entry.resource.period.start.slice(8, 10)));
  page = await elp.nextPage({ bundle: page });
}
assert.deepEqual(days, ['02', '03', '04']);

const history = await elp.history({ resourceType: 'Task', id: task.id });
assert.equal(history.type, 'history');
const batch = await elp.batch({
  body: { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: `Patient/${patient.id}` } }] },
});
assert.equal(batch.entry[0].resource.id, patient.id);
console.log('played');
