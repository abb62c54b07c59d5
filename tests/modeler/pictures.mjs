// Takes the pictures of the panel for the documentation: `make pictures`.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { withPanel } from './panel.mjs';

const ROOT = new URL('../../', import.meta.url);
const SEND = {
  'Connection': 'TLS with STARTTLS (port 587)',
  'Host': 'smtp.example.com',
  'Authentication': 'User name and password',
  'User name': 'orders@example.com',
  'Password': '{{secrets.MAIL_PASSWORD}}',
  'From': 'Orders <orders@example.com>',
  'To': '=order.customer.email',
  'Subject': '="Your order " + string(order.number)',
  'Text': '="Dear " + order.customer.name + ", it is on its way."',
  'Result variable': 'sentEmail'
};

const MESSAGE = Object.fromEntries([ 'From', 'To', 'Subject', 'Text', 'Result variable' ].map(name => [ name, SEND[name] ]));
const PICTURES = {
  'email': MESSAGE,
  'smtp-send': SEND,
  'imap-list': { 'Maximum number of emails': '10' },
  'imap-search': { 'From': '=customer.email', 'Since': '=today() - duration("P7D")' },
  'imap-flag': { 'Message id': '=emails[1].messageId', 'Read': 'Mark as read' },
  'imap-append': { 'Folder': 'Sent', 'Message-ID': '=sentEmail.messageId', 'From': 'orders@example.com', 'To': '=order.customer.email', 'Subject': '="Your order " + string(order.number)', 'Text': '=confirmation' },
  'imap-move': { 'Message id': '=emails[1].messageId', 'To folder': 'Archive.Orders' },
  'pop3-read': { 'Message id': '=emails[1].messageId' }
};

// What a process calls such a task.
const NAMES = {
  'email': 'Send order confirmation',
  'smtp-send': 'Send order confirmation',
  'imap-list': 'List new orders',
  'imap-search': 'Find the answer',
  'imap-flag': 'Mark order as read',
  'imap-append': 'File the confirmation',
  'imap-move': 'Archive the order',
  'pop3-read': 'Read the order'
};

const read = path => readFile(new URL(path, ROOT), 'utf8');
const diagram = await read('tests/modeler/one_task.bpmn');

await withPanel(async panel => {
  for (const [ name, values ] of Object.entries(PICTURES)) {
    const template = JSON.parse(await read(`element-templates/${name}.json`));
    const named = diagram.replace('Do something with email', NAMES[name]);
    await panel.open({ diagram: named, templates: [ template ], element: 'task', template: template.id });
    await panel.fill({ values });
    await panel.picture({ path: fileURLToPath(new URL(`docs/pictures/panel-${name}.png`, ROOT)) });
  }
});
