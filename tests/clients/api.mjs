// The pages that describe the FHIR interface, in a real browser: each language, held to WCAG 2.2 AA by axe, reached by the keyboard.
//
//   node api.mjs http://127.0.0.1:8080 [folder for screenshots]

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

import { look as lookAt } from './look.mjs';

const [root, folder] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const titles = { 'nl-BE': 'Heel het systeem', 'fr-BE': 'Tout le système', 'en-GB': 'The whole system' };

try {
  for (const [locale, title] of Object.entries(titles)) {
    const context = await browser.newContext({ locale, viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const complaints = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    const look = (name) => lookAt(page, `${name}-${locale}`, folder);
    await page.goto(`${root}/api`);
    assert.equal(await page.locator('h1').textContent(), title);
    await look('system');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    await page.getByRole('navigation').getByRole('link', { name: 'Patient', exact: true }).click();
    assert.equal(await page.locator('h1').textContent(), 'Patient');
    await look('patient');
    assert.deepEqual(complaints, []);
    await context.close();
  }
  console.log('looked at');
} finally {
  await browser.close();
}
