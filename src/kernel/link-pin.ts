/** How the pin of a device's link is named. */
import { basename, join } from 'node:path';

/** bpffs takes no dots in names; a device name has no percent sign of its own before hex digits. */
export function linkPin(directory: string, device: string): string {
  return join(directory, device.replaceAll('.', '%2e'));
}

/** The device whose link is, or would be, pinned there. */
export function deviceOfPin(path: string): string {
  return basename(path).replaceAll('%2e', '.');
}
