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
    // Each selection is drawn before the next, as a person would wait.
    for (const selected of [ null, element ]) {
      await this.call('select', selected);
      await this.drawn();
    }
    await this.page.waitForSelector('#panel [data-group-id*="CustomProperties"]');
    await this.openGroups();
  }

  /** Fold all groups out, and return when the panel has drawn what it knows. */
  openGroups() {
    return this.page.evaluate(async () => {
      await window.modelerPage.drawn();
      document.querySelectorAll('#panel .bio-properties-panel-group-header:not(.open)').forEach(
        header => header.querySelector('.bio-properties-panel-group-header-title').click()
      );
      await window.modelerPage.drawn();
    });
  }

  drawn() {
    return this.call('drawn');
  }

  /** Give each labelled field its value, in this order; a dropdown takes the name of a choice. */
  async fill({ values }) {
    for (const [ label, value ] of Object.entries(values)) {
      await this.fillOne(label, value);
    }
    await this.drawn();
  }

  async fillOne(label, value) {
    const entry = await this.entry(label);
    const control = await entry.$('select, input, textarea, .cm-content');
    if (await control.evaluate(node => node.tagName === 'SELECT')) {
      const choice = await control.evaluate(
        (select, value) => [ ...select.options ].find(option => option.label === value)?.value, value
      );
      if (choice === undefined) {
        throw new Error(`${label} offers no choice ${value}`);
      }
      await control.select(choice);
      await this.openGroups(); // a choice may bring new ones
      return;
    }
    if (await control.evaluate(node => node.type === 'checkbox')) {
      if (await control.evaluate(node => node.checked ? 'yes' : 'no') !== value) {
        await control.evaluate(node => node.click());
      }
      return;
    }
    // The FEEL editor writes the sign itself.
    const isFeel = await control.evaluate(node => node.classList.contains('cm-content'));
    await control.focus();
    await this.page.keyboard.down('Control');
    await this.page.keyboard.press('a');
    await this.page.keyboard.up('Control');
    await this.page.keyboard.sendCharacter(isFeel ? value.replace(/^=/, '') : value);
  }

  async entry(label) {
    try {
      return await this.page.waitForFunction(label => [
        ...document.querySelectorAll('#panel .bio-properties-panel-entry')
      ].find(entry => entry.querySelector('label')?.firstChild?.textContent.trim() === label), { timeout: 5000 }, label);
    } catch {
      const seen = (await this.fields()).map(field => field.label).join(', ');
      throw new Error(`there is no field ${label}, only ${seen}`);
    }
  }

  /** All that can be seen: label, value, description, choices and error of each field, by group. */
  fields() {
    return this.page.evaluate(() => [
      ...document.querySelectorAll('#panel .bio-properties-panel-group')
    ].filter(group => group.dataset.groupId?.includes('CustomProperties')).flatMap(group => [
      ...group.querySelectorAll('.bio-properties-panel-entry')
    ].map(entry => {
      const control = entry.querySelector('select, input, textarea, .cm-content');
      const placeholder = entry.querySelector('.cm-placeholder');
      return {
        group: group.querySelector('.bio-properties-panel-group-header-title').textContent,
        label: entry.querySelector('label')?.firstChild?.textContent.trim(),
        value: control?.tagName === 'SELECT' ? control.selectedOptions[0]?.label
          : control?.value ?? (placeholder ? '' : control?.textContent),
        placeholder: control?.placeholder ?? placeholder?.textContent ?? '',
        choices: [ ...control?.options ?? [] ].map(option => option.label),
        description: entry.querySelector('.bio-properties-panel-description')?.textContent ?? '',
        error: entry.querySelector('.bio-properties-panel-error')?.textContent ?? ''
      };
    })));
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
    await this.drawn();
    await (await this.page.$('#panel')).screenshot({ path });
  }
}
