// What stands in the browser: Camunda Modeler's canvas, properties panel, template engine and linter.

import Modeler from 'bpmn-js/lib/Modeler';
import {
  BpmnPropertiesPanelModule,
  BpmnPropertiesProviderModule,
  ZeebePropertiesProviderModule
} from 'bpmn-js-properties-panel';
import {
  CloudElementTemplatesLinterPlugin,
  CloudElementTemplatesPropertiesProviderModule
} from 'bpmn-js-element-templates';
import ZeebeBehaviorsModule from 'camunda-bpmn-js-behaviors/lib/camunda-cloud';
import zeebeModdle from 'zeebe-bpmn-moddle/resources/zeebe.json';
import { Linter } from '@camunda/linting';

import { enter, fields, find, holds, unfold } from './form.js';

import 'bpmn-js/dist/assets/diagram-js.css';
import 'bpmn-js/dist/assets/bpmn-js.css';
import 'bpmn-js/dist/assets/bpmn-font/css/bpmn.css';
import '@bpmn-io/properties-panel/assets/properties-panel.css';
import 'bpmn-js-element-templates/dist/assets/element-templates.css';

let modeler;
let known = [];

const changed = () => new Promise(resolve => modeler.get('eventBus').once('commandStack.changed', resolve));

const { requestAnimationFrame: nextFrame, setTimeout: setTimer } = window;

const frame = () => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));

/** Wait until the panel has drawn what there is: what one frame draws may ask for more in the next. */
async function drawn() {
  let hasDrawn;
  const observer = new MutationObserver(() => { hasDrawn = true; });
  observer.observe(document.querySelector('#panel'), {
    attributes: true, characterData: true, childList: true, subtree: true
  });
  do {
    hasDrawn = false;
    await frame();
    await frame();
  } while (hasDrawn);
  observer.disconnect();
}

window.modelerPage = {

  /** Open a diagram; `templates` are those that Modeler finds in its directory. */
  async open(diagram, templates) {
    modeler?.destroy();
    known = templates;
    modeler = new Modeler({
      container: '#canvas',
      propertiesPanel: { parent: '#panel' },
      debounceInput: false,
      additionalModules: [
        BpmnPropertiesPanelModule,
        BpmnPropertiesProviderModule,
        ZeebePropertiesProviderModule,
        CloudElementTemplatesPropertiesProviderModule,
        ZeebeBehaviorsModule
      ],
      moddleExtensions: { zeebe: zeebeModdle }
    });
    modeler.get('elementTemplatesLoader').setTemplates(templates);
    await modeler.importXML(diagram);
    modeler.get('canvas').zoom('fit-viewport', 'auto');
  },

  /** Show an element in the panel, drawn anew from the model, with all its groups folded out. */
  async show(elementId) {
    for (const selected of [ [], modeler.get('elementRegistry').get(elementId) ]) {
      modeler.get('selection').select(selected);
      await drawn();
    }
    unfold();
    await drawn();
  },

  fields,

  drawn,

  /** Let frames and timers come late by this many milliseconds, as on a busy machine. */
  delay(milliseconds) {
    const later = (call, ...args) => setTimer(call, milliseconds, ...args);
    window.requestAnimationFrame = milliseconds ? call => nextFrame(now => later(call, now)) : nextFrame;
    window.setTimeout = milliseconds
      ? (call, wait = 0, ...args) => setTimer(call, wait + milliseconds, ...args) : setTimer;
  },

  /** Whether the panel has a field with this label. */
  has(label) {
    return Boolean(find(label));
  },

  /** Whether the field with this label is there and holds the value. */
  holds(label, value) {
    const control = find(label);
    return Boolean(control) && holds(control, value);
  },

  /** Give a field its value, and return when the model has taken it and the panel has drawn what follows. */
  async fill(label, value) {
    const control = find(label);
    if (!holds(control, value)) {
      const taken = changed();
      enter(control, value);
      await Promise.race([ taken, drawn().then(() => { throw new Error('the model has not taken it'); }) ]);
    }
    await drawn();
    unfold(); // a choice may bring new groups
    await drawn();
  },

  /** Choose a template for the element, as the template chooser does. */
  applyTemplate(elementId, templateId) {
    const elementTemplates = modeler.get('elementTemplates');
    const element = modeler.get('elementRegistry').get(elementId);
    elementTemplates.applyTemplate(element, elementTemplates.getLatest(templateId)[0]);
  },

  /** The names of the templates that the menus offer for the element. */
  offered(elementId) {
    const element = modeler.get('elementRegistry').get(elementId);
    return modeler.get('elementTemplates').getLatest(element).map(template => template.name);
  },

  /** The diagram as Modeler saves it. */
  async xml() {
    return (await modeler.saveXML({ format: true })).xml;
  },

  /** What Modeler's problems panel says. */
  async lint() {
    const linter = new Linter({ plugins: [ CloudElementTemplatesLinterPlugin(known) ] });
    return (await linter.lint(await this.xml())).map(report => `${report.id}: ${report.message}`);
  }
};
