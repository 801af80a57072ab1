/**
 * Whether a YAML text is nested deeper than anybody writes. The yaml package composes by recursion, and
 * some thousands of levels end the process, not the call: a regular expression that is compiled with
 * little stack left aborts node. So the depth is bounded before.
 */
import { CST, Lexer } from 'yaml';

/** Kubernetes objects have some ten levels. */
export const MAX_FLOW_DEPTH = 100;
/** Columns before a line's content; a level of block nesting takes at least one. */
export const MAX_INDENT = 200;

export function isNestedTooDeep(text: string): boolean {
  return mayBeTooDeep(text) && isTooDeep(text);
}

/** Cheap, and true for every text that is nested too deep, but not only for those. */
function mayBeTooDeep(text: string): boolean {
  const openers = text.match(/[[{]/g)?.length ?? 0;
  return openers > MAX_FLOW_DEPTH || new RegExp(`^[ \\t?:-]{${MAX_INDENT}}`, 'm').test(text);
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  let indent = 0;
  let atLineStart = true;
  let nextIsScalar = false;
  for (const token of new Lexer().lex(text)) {
    const type = nextIsScalar ? 'scalar' : CST.tokenType(token);
    nextIsScalar = token === CST.SCALAR;
    if (type === 'flow-seq-start' || type === 'flow-map-start') depth++;
    else if (type === 'flow-seq-end' || type === 'flow-map-end') depth--;
    else if (type === 'doc-start' || type === 'doc-mode') depth = 0;
    if (type === 'newline') indent = 0;
    atLineStart = type === 'newline' || (atLineStart && type !== null && INDENTING.has(type));
    if (atLineStart) indent += token.length;
    if (depth > MAX_FLOW_DEPTH || indent > MAX_INDENT) return true;
  }
  return false;
}

/** After these (the marks of a document's begin among them) a line's content has not begun. */
const INDENTING = new Set([
  'byte-order-mark',
  'doc-mode',
  'doc-start',
  'space',
  'seq-item-ind',
  'explicit-key-ind',
  'map-value-ind',
]);
