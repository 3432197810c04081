// A real browser signs somebody in at a sandbox, looks at the account, and signs out: what cookies, policies and forms come to there.
//
//   node sign-in.mjs http://127.0.0.1:8080

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const root = process.argv[2];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const context = await browser.newContext({ locale: 'nl-BE' });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));

  await page.goto(`${root}/`);
  assert.equal(await page.locator('h1').textContent(), 'Welkom bij Wellgate');
  await page.getByRole('link', { name: 'Aanmelden' }).click();
  await page.getByRole('button', { name: /Katrien Voorbeeld/ }).click();
  assert.equal(page.url(), `${root}/account`);
  assert.match(await page.locator('main').textContent(), /functionaris voor gegevensbescherming/);
  const cookies = await context.cookies();
  assert.deepEqual(cookies.map(({ name, path, httpOnly, secure, sameSite }) => ({ name, path, httpOnly, secure, sameSite })), [
    { name: '__Host-wellgate', path: '/', httpOnly: true, secure: true, sameSite: 'Lax' },
  ]);

  // An officer asks for the trail after a fresh sign-in, by the cookie.
  const status = () => page.request.get(`${root}/fhir/AuditEvent`).then((answer) => answer.status());
  assert.equal(await status(), 403);
  await page.goto(`${root}/step-up?return_to=/account`);
  await page.getByRole('button', { name: /Katrien Voorbeeld/ }).click();
  assert.equal(page.url(), `${root}/account`);
  assert.equal(await status(), 200);
  assert.notEqual((await context.cookies())[0].value, cookies[0].value);

  // A wrong code: a form of the page, taken as the page's own, and refused for what it says.
  await page.getByLabel('Code').fill('AAAAA-AAAAA-AAAAA');
  await page.getByRole('button', { name: 'Verbinden' }).click();
  assert.equal(await page.locator('h1').textContent(), 'Deze code is niet bekend');
  await page.getByRole('link', { name: 'Naar uw aanmelding' }).click();

  // A page of another site posts the form of signing out.
  const elsewhere = await context.newPage();
  await elsewhere.goto('data:text/html,' + encodeURIComponent(
    `<form method="post" action="${root}/sign-out"><input name="form_token" value="x"><button>x</button></form>`));
  await elsewhere.getByRole('button').click();
  await elsewhere.waitForURL(`${root}/sign-out`);
  await page.goto(`${root}/account`);
  assert.match(await page.locator('main').textContent(), /Katrien Voorbeeld/);

  await page.getByRole('button', { name: 'Afmelden', exact: true }).click();
  assert.equal(await page.locator('h1').textContent(), 'Welkom bij Wellgate');
  assert.deepEqual(await context.cookies(), []);
  const unexpected = complaints.filter((text) => !/404 \(Not Found\)|403 \(Forbidden\)|favicon/.test(text));
  assert.deepEqual(unexpected, []);
  console.log('signed in and out');
} finally {
  await browser.close();
}
