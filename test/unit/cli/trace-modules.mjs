/** `node --import` this: writes the address of every module the process loads to the file L4LB_TRACE. */
import { appendFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';

const file = process.env.L4LB_TRACE;
const hooks = `
  import { appendFileSync } from 'node:fs';
  export async function load(url, context, next) {
    appendFileSync(${JSON.stringify(file)}, url + '\\n');
    return next(url, context);
  }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
// What CommonJS modules require themselves passes by the hooks.
process.on('exit', () => {
  appendFileSync(file, `${Object.keys(createRequire(import.meta.url).cache).join('\n')}\n`);
});
