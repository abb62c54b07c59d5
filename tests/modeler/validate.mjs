// Prints what Camunda's schema validator finds in each of the template files, as JSON by file name.

import { validateZeebe } from '@bpmn-io/element-templates-validator';
import { readFileSync } from 'node:fs';

const found = process.argv.slice(2).map(file => {
  const { errors, warnings } = validateZeebe(JSON.parse(readFileSync(file, 'utf8')));
  return [ file, [ ...errors ?? [], ...warnings ?? [] ].map(({ message }) => message) ];
});
console.log(JSON.stringify(Object.fromEntries(found)));
