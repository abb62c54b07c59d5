// Modeler's panel in a headless Chromium, worked with as a person does: by the labels that stand there.

import { build } from 'esbuild';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';

const CHROMIUM = [ process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome' ];
const PAGE = fileURLToPath(new URL('page.js', import.meta.url));
const STYLE = `
  body { margin: 0; font-family: sans-serif; display: flex; height: 100vh; }
  #canvas { flex: 1; }
  #panel { width: 420px; border-left: 1px solid #ccc; overflow-y: auto; --font-family: sans-serif; }
`;

/** Run `use(panel)` with a panel of its own, and end the browser after it. */
export async function withPanel(use) {
  const executablePath = CHROMIUM.find(path => path && existsSync(path));
  const browser = await puppeteer.launch({ executablePath, args: [ '--no-sandbox', '--disable-gpu' ] });
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1000, height: 900, deviceScaleFactor: 1.5 });
    const { outputFiles } = await build({
      entryPoints: [ PAGE ], bundle: true, write: false, outdir: 'out', logLevel: 'error', minify: true,
      loader: { '.woff2': 'dataurl', '.eot': 'empty', '.svg': 'empty', '.ttf': 'empty', '.woff': 'empty' }
    });
    const text = ending => outputFiles.filter(file => file.path.endsWith(ending)).map(file => file.text).join('\n');
    await page.setContent('<!doctype html><meta charset="utf-8"><div id="canvas"></div><div id="panel"></div>');
    await page.addStyleTag({ content: STYLE + text('.css') });
    await page.addScriptTag({ content: text('.js') });
    return await use(new Panel(page));
  } finally {
    await browser.close();
  }
}

export class Panel {
  constructor(page) {
    this.page = page;
  }

  /** Call one of the functions of page.js. */
  call(name, ...args) {
    return this.page.evaluate((name, args) => window.modelerPage[name](...args), name, args);
  }

  async open({ diagram, templates, element, template }) {
    await this.call('open', diagram, templates);
    if (!element) {
      return;
    }
    if (template) {
      await this.call('applyTemplate', element, template);
    }
    this.element = element;
    await this.call('show', element);
    await this.page.waitForSelector('#panel [data-group-id*="CustomProperties"]');
  }

  /** Give each labelled field its value, in this order; a dropdown takes the name of a choice. */
  async fill({ values }) {
    for (const [ label, value ] of Object.entries(values)) {
      await this.fillOne(label, value);
    }
    // The panel remembers what was typed: drawn anew, it shows what the model has.
    await this.call('show', this.element);
    for (const [ label, value ] of Object.entries(values)) {
      if (!await this.call('holds', label, value)) {
        throw new Error(`${label} does not hold ${value} after all, the panel has ${await this.shown()}`);
      }
    }
  }

  async fillOne(label, value) {
    if (!await this.call('has', label)) {
      throw new Error(`there is no field ${label}, the panel has ${await this.shown()}`);
    }
    try {
      await this.call('fill', label, value);
    } catch (error) {
      throw new Error(`${label} was to be ${value}: ${error.message}`, { cause: error });
    }
  }

  async shown() {
    return (await this.fields()).map(({ label, value }) => `${label}: ${value}`).join(', ');
  }

  /** All that can be seen: label, value, description, choices and error of each field, by group. */
  fields() {
    return this.call('fields');
  }

  /** Let the page's frames and timers come late by this many milliseconds, as on a busy machine. */
  delay({ milliseconds }) {
    return this.call('delay', milliseconds);
  }

  xml() {
    return this.call('xml');
  }

  lint() {
    return this.call('lint');
  }

  offered({ element }) {
    return this.call('offered', element);
  }

  /** Take a picture of the template's part of the panel, however long it is. */
  async picture({ path }) {
    const height = await this.page.evaluate(() => {
      document.activeElement?.blur();
      document.querySelectorAll('#panel [data-group-id]').forEach(group => {
        group.style.display = group.dataset.groupId.includes('CustomProperties') ? '' : 'none';
      });
      const bottoms = [ ...document.querySelectorAll('#panel [data-group-id]') ].map(
        group => group.getBoundingClientRect().bottom
      );
      return Math.max(...bottoms) + document.querySelector('#panel .bio-properties-panel-scroll-container').scrollTop;
    });
    await this.page.setViewport({ width: 1000, height: Math.ceil(height), deviceScaleFactor: 1.5 });
    await this.call('drawn');
    await (await this.page.$('#panel')).screenshot({ path });
  }
}
