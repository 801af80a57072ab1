/** Records what the pinned maps of this LAYOUT_VERSION hold: after it was raised, or when a map has come. */
import { writeFileSync } from 'node:fs';
import { readMapLayouts } from './map-layouts.ts';

const file = new URL('map-layouts.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(readMapLayouts(), null, 2)}\n`);
