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

import 'bpmn-js/dist/assets/diagram-js.css';
import 'bpmn-js/dist/assets/bpmn-js.css';
import 'bpmn-js/dist/assets/bpmn-font/css/bpmn.css';
import '@bpmn-io/properties-panel/assets/properties-panel.css';
import 'bpmn-js-element-templates/dist/assets/element-templates.css';

let modeler;
let known = [];

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

  /** Select an element, as a click does, or nothing. */
  select(elementId) {
    modeler.get('selection').select(elementId ? modeler.get('elementRegistry').get(elementId) : []);
  },

  /** Wait until the panel shows what has happened: it draws a moment later. */
  drawn() {
    return new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
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
