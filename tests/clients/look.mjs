// A page held to WCAG 2.2 AA by axe.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/// Holds the page to it, and keeps what it looks like where a folder is given.
export const look = async (page, name, folder) => {
  // With its style: text is there before.
  await page.waitForLoadState('load');
  // By the debugger, for the policy of the pages lets no other script in.
  await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), tags);
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
  assert.deepEqual(told, [], `${name}: ${page.url()}`);
  if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
};
