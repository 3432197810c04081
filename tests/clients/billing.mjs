// A billing clerk at a sandbox in a real browser: a file is imported, the month checked, mended, sealed and sent, a refusal corrected and
// sent again. Each page that is passed is held to WCAG 2.2 AA by axe, and the whole way is gone by the keyboard where that is said.
//
//   node billing.mjs http://127.0.0.1:8080 [folder for screenshots]

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';

import { look as lookAt } from './look.mjs';

const [root, folder] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

/// The national number of somebody made up, born in the nineteen-seventies.
const number = (n) => {
  const nine = `7${n % 10}0${1 + (n % 9)}1${n % 10}00${1 + (n % 8)}`;
  return nine + String(97 - (Number(nine) % 97)).padStart(2, '0');
};
/// The month before this one, as people type it.
const before = new Date();
before.setUTCDate(0);
const month = before.toISOString().slice(0, 7);
const mutualities = [131, 206, 306, 403, 509];
const row = (n, change = {}) => ({ insz: number(n), naam: `Testpersoon ${n}`, geslacht: 1 + (n % 2), ziekenfonds: mutualities[n % 5],
  ct1: 110, ct2: 110, datum: `${month}-0${1 + (n % 9)}`, prestatiecode: 990010, zorgverlener: '12345625004', referentie: `rij-${n}`, ...change });
const sheet = (rows) => [Object.keys(rows[0]), ...rows.map((one) => Object.values(one))].map((cells) => cells.join(';')).join('\r\n');

try {
  const context = await browser.newContext({ locale: 'nl-BE', viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));

  const look = (name) => lookAt(page, name, folder);
  const signIn = async () => page.getByRole('button', { name: /Guy Voorbeeld/ }).click();
  const title = () => page.locator('h1').textContent();
  const nav = (name) => page.getByRole('navigation').getByRole('link', { name }).click();

  // Whoever comes without a session signs in, and arrives where they were going.
  await page.goto(`${root}/billing`);
  await signIn();
  assert.equal(page.url(), `${root}/billing`);
  assert.equal(await title(), 'Wat vandaag op u wacht');
  await look('work-empty');

  // The first thing that the keyboard reaches leads past the navigation.
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Naar de inhoud');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');

  // A file with a row that is wrong is told, and nothing of it is taken in.
  const give = async (text) => {
    await nav('Inlezen');
    await page.getByLabel('CSV-bestand').setInputFiles({ name: 'maart.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
    await page.getByRole('button', { name: 'Voorbeeld' }).click();
  };
  const rows = Array.from({ length: 40 }, (_, n) => row(n));
  await give(sheet([...rows, row(41, { insz: '70010100155', datum: 'gisteren' })]));
  assert.match(await page.locator('main').textContent(), /Geen datum/);
  assert.equal(await page.getByRole('button', { name: 'Inlezen' }).count(), 0);
  await look('import-wrong');
  // One of no mutuality that is known: the file is sound, and the line will be faulty.
  rows[7] = row(7, { ziekenfonds: '' });
  await give(sheet(rows));
  assert.match(await page.locator('main').textContent(), /•••••••••/);
  assert.ok(!(await page.content()).includes(number(3)), 'no national number is in the page');
  await look('import');
  await page.getByRole('button', { name: 'Inlezen' }).click();
  assert.match(await page.locator('.done').textContent(), /Ingelezen lijnen: 40/);

  // The month is checked, with its progress on the page, and what is wrong is told with what to do.
  await nav('Maand voorbereiden');
  await page.getByRole('button', { name: 'Kijk de maand na' }).click();
  await page.getByRole('table', { name: 'Fouten per code' }).waitFor();
  await page.getByRole('button', { name: 'Kijk de maand na' }).waitFor();
  assert.match(await page.locator('main').textContent(), /Vraag de verzekerbaarheid opnieuw op/);
  await look('month');

  // The one that is wrong is mended.
  await nav('Werklijst');
  await look('work');
  await page.getByRole('link', { name: /lijnen met een fout/ }).click();
  await page.getByRole('link', { name: /^Verbeteren/ }).first().click();
  await look('line-faulty');
  await page.getByLabel('Ziekenfonds van aansluiting').fill('13');
  await page.getByLabel('Ziekenfonds van aansluiting').evaluate((input) => input.removeAttribute('pattern'));
  await page.getByRole('button', { name: 'Bewaren', exact: true }).click();
  assert.match(await page.getByRole('alert').textContent(), /Ziekenfonds: drie cijfers/);
  await look('line-wrong');
  await page.getByLabel('Ziekenfonds van aansluiting').fill('131');
  await page.getByRole('button', { name: 'Bewaren', exact: true }).click();
  assert.match(await page.locator('.done').textContent(), /verbeterd en nagekeken/);

  // What sends needs a fresh sign-in.
  await nav('Maand voorbereiden');
  await page.getByRole('link', { name: /Meld u opnieuw aan om te verzenden 100/ }).click();
  await signIn();
  assert.match(page.url(), /\/billing\/month/);
  // The mutuality refuses every fourth line of what comes now.
  const wish = { answer: 'refuse-line', every: 4, errors: ['R500810'], comment: 'Nummer onbekend' };
  await page.request.post(`${root}/sandbox/partners/mutualities/answers`, { data: wish });
  await page.getByRole('button', { name: 'Verzegel en verzend 100' }).click();
  assert.match(await title(), /Zending/);
  const sending = page.url().replace(/\?.*/, '');
  await look('sending-sealed');

  // It leaves by itself, and the settlement comes in.
  const settled = async () => {
    for (let tries = 0; tries < 60; tries += 1) {
      await page.goto(sending);
      if (/afgerekend/.test(await title())) return true;
      await page.waitForTimeout(1000);
    }
    return false;
  };
  assert.ok(await settled(), await page.locator('main').textContent());
  assert.match(await page.locator('main').textContent(), /500810.*nummer van de patiënt/s);
  await look('sending-settled');

  // The very file, and a list.
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Bestand ophalen' }).click()]);
  assert.match(await readFile(await file.path(), 'latin1'), /^920000/);
  await nav('Lijnen');
  await look('lines');
  const [list] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'XLSX' }).click()]);
  assert.equal((await readFile(await list.path())).subarray(0, 2).toString(), 'PK');

  // From a refusal to its resend: one click to the line, one to send it. By the keyboard alone.
  await nav('Werklijst');
  await look('work-refused');
  await page.goto(sending);
  let clicks = 0;
  const enter = async (target) => {
    await target.focus();
    await page.keyboard.press('Enter');
    clicks += 1;
  };
  await enter(page.getByRole('region', { name: 'Geweigerde lijnen' }).getByRole('link', { name: /^Verbeteren/ }).first());
  await page.getByRole('heading', { name: 'Verbeteren' }).waitFor();
  await look('line-refused');
  // Somebody who was there on a day on which nobody of this federation was: whichever line comes first, it is not billed twice.
  await page.getByLabel(/^Rijksnummer/).fill(number(13));
  await enter(page.getByRole('button', { name: 'Bewaren en opnieuw verzenden' }));
  await page.locator('.done').waitFor();
  // A file went to this federation today, so the rule makes it wait; another would have left.
  assert.match(await page.locator('.done').textContent(), /volgende bestand naar deze landsbond/);
  assert.equal(clicks, 2);
  await look('line-corrected');

  // The last refused line is given up.
  await page.goto(sending);
  await page.getByRole('region', { name: 'Geweigerde lijnen' }).getByRole('link', { name: /^Verbeteren/ }).first().click();
  const given = page.locator('form[action$="/write-off"]');
  await given.getByLabel('Reden').fill('De persoon is onbekend bij elk ziekenfonds.');
  await given.getByRole('button').click();
  assert.match(await page.locator('.done').textContent(), /afgeboekt/);
  await look('line-written-off');

  await nav('Afrekening');
  assert.match(await page.locator('main').textContent(), /Alles klopt tot op de cent/);
  await look('settlement');
  await nav('Cijfers');
  assert.equal(await page.locator('figure svg').count(), 1);
  await look('figures');
  await nav('Zendingen');
  await look('sendings');

  // What is not there is told as what is not there; and so is what belongs to somebody else.
  assert.equal((await page.goto(`${root}/billing/sendings/0000000000000000000000000`)).status(), 404);
  await look('not-found');

  // The same in French and English.
  for (const [locale, text] of [['fr-BE', 'Ce qui vous attend aujourd\'hui'], ['en-GB', 'What waits for you today']]) {
    const other = await browser.newContext({ locale, storageState: await context.storageState() });
    const told = await other.newPage();
    await told.goto(`${root}/billing`);
    assert.equal(await told.locator('h1').textContent(), text);
    assert.equal(await told.locator('html').getAttribute('lang'), locale.slice(0, 2));
    await other.close();
  }

  // Without a script everything can still be done.
  const plain = await browser.newContext({ locale: 'nl-BE', javaScriptEnabled: false, storageState: await context.storageState() });
  const quiet = await plain.newPage();
  await quiet.goto(`${root}/billing/month`);
  await quiet.getByRole('button', { name: 'Kijk de maand na' }).click();
  await quiet.getByRole('heading', { name: /Nakijken/ }).waitFor();
  await plain.close();

  const unexpected = complaints.filter((text) => !/404 \(Not Found\)|422 \(Unprocessable/.test(text));
  assert.deepEqual(unexpected, []);
  console.log('billed');
} finally {
  await browser.close();
}
