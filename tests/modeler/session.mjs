// One browser for many tests: each line of standard input is {command, …}, each line of output its answer.

import { createInterface } from 'node:readline';

import { withPanel } from './panel.mjs';

await withPanel(async panel => {
  for await (const line of createInterface({ input: process.stdin })) {
    const { command, ...options } = JSON.parse(line);
    let answer;
    try {
      answer = { result: (await panel[command](options)) ?? null };
    } catch (error) {
      answer = { error: error.message };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
});
